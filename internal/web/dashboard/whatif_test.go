package dashboard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/a-h/templ"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/web/dashboard/page"
	"sluice/internal/whatif"
)

// ran puts executions of a minute on record that became available at once, an hour ago.
func (s *site) ran(t *testing.T, workspace uuid.UUID, n int) {
	t.Helper()
	s.ids(t, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
		SELECT gen_random_uuid(), $1, 'Order', 'q', 'COMPLETED', 3, 0, at, at, at, at, at + interval '1 minute', 'x', 'x' FROM generate_series(1, $2), (SELECT now() - interval '1 hour') AS t (at) RETURNING id`, workspace, n)
}

func TestAWhatIfShowsHowItWouldHaveWaited(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	s.ids(t, `UPDATE sluice.workspaces SET weight = 7 RETURNING id`)
	s.ran(t, acme, 20)
	at := "/workspaces/" + acme.String() + "/what-if"
	require.Contains(t, s.page(t, "/workspaces/"+acme.String()), `href="`+at+`"`)
	whole := s.page(t, at)
	require.Contains(t, whole, `action="/workspaces/`+acme.String()+`/limits"`, "where they are set")
	_, form, _ := strings.Cut(whole, `id="what-if"`)
	for _, want := range []string{`name="max" value="5"`, `name="weight" value="7"`, `name="rate" value=""`, `name="since" value="24h"`} {
		require.Contains(t, form, want)
	}
	require.NotContains(t, form, `name="borrowing"`, "it is in no cohort")
	require.NotContains(t, text(form), "How it would have gone")
	require.NotContains(t, form, "hx-get", "it is not played again and again")

	body := s.page(t, at+"?max=10&weight=7&rate=&burst=&since=2h")
	require.Contains(t, body, `name="max" value="10"`, "the address has the whole question")
	shown := text(body)
	require.Contains(t, shown, "acme, as it is 5 1m00s 3m00s 100 % –")
	require.Contains(t, shown, "acme, with the other limits 10 0ms 1m00s 100 % –")
	require.Contains(t, shown, "All workspaces, as it is not limited 1m00s 3m00s – –")
	require.Contains(t, shown, "20 executions of it, and 20 of all workspaces")
	require.Equal(t, 2, strings.Count(body, "<figure"))
	require.Contains(t, body, `aria-label="Running, over 4m00s of the simulations"`)
	require.Contains(t, text(s.page(t, at+"?max=0")), "acme, with the other limits 0 – – – 20")
	require.Contains(t, s.page(t, at+"?max=1,000"), `name="max" value="1000"`)
	require.Contains(t, text(s.page(t, at+"?since=5m")), "there is nothing to play")

	s.ids(t, `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 3 RETURNING id`)
	require.Contains(t, s.page(t, at), `name="nominal" value="3"`)
	for query, want := range map[string]string{
		"max=x": `running at once must be a whole number, not "x"`, "max=1,5": `running at once must be a whole number, not "1,5"`, "rate=x": "starts a second must be a number", "weight=0": "weight must be 1 to 1000", "since=0s": "how far back", "since=": "how far back", "since=9999d": "how far back",
	} {
		status, body := s.get(t, at+"?"+query)
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Contains(t, text(body), want)
	}
	status, _ := s.get(t, "/workspaces/"+uuid.NewString()+"/what-if")
	require.Equal(t, http.StatusNotFound, status)
}

func TestAWhatIfThatTakesTooLongSaysSo(t *testing.T) {
	t.Parallel()
	d := &dashboard{plays: make(chan struct{}, 1)}
	d.plays <- struct{}{} // another is played
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	_, err := d.play(ctx, whatif.Question{})
	require.ErrorIs(t, err, errTooLong)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	status, body := d.make(t.Context(), r, page.Page{At: "/w/what-if"}, func(context.Context, *http.Request, page.Page) (templ.Component, error) { return nil, err })
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, string(body), "That takes too long")
	require.NotContains(t, string(body), "hx-get", "it is not played again and again")
}
