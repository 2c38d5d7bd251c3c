package dashboard

import (
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

func (s *site) paused(t *testing.T) []admin.Pause {
	t.Helper()
	list, err := admin.New(s.pool).Pauses(t.Context())
	require.NoError(t, err)
	return list
}

func TestWhatIsPausedIsShownWithWhoAndWhyAndCanBeResumed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	s.end(t, "COMPLETED", "", "", s.enqueue(t, acme, "Order", 2)[0])
	definition := s.ids(t, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, acme)[0]
	s.post(t, "/", "/actor", url.Values{"name": {"ann"}})
	at := "/workspaces/" + acme.String()

	require.Contains(t, text(s.post(t, at, "/pause", url.Values{"workspace": {acme.String()}, "reason": {"unpaid"}, "for": {"2h"}})), "It is paused: nothing new of it starts.")
	held := s.paused(t)
	require.Len(t, held, 1)
	require.Equal(t, "dashboard:ann unpaid", held[0].Actor+" "+held[0].Reason)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), *held[0].Until, time.Minute)
	body := text(s.page(t, at))
	require.Contains(t, body, "Workspace acme is paused. By dashboard:ann, ")
	require.Contains(t, body, "(unpaid); ends in ")
	require.Contains(t, body, "Resume…")
	require.NotContains(t, body, " Pause… ")
	require.Contains(t, text(s.page(t, "/")), "Workspace acme is paused.")
	require.Contains(t, text(s.post(t, at, "/pause", url.Values{"workspace": {acme.String()}, "reason": {"unpaid"}, "for": {held[0].Until.Format(time.RFC3339Nano)}})), "It was paused so before.")

	// A type of a workspace that is named, a type everywhere, a definition.
	s.post(t, "/pauses", "/pause", url.Values{"workspace": {"acme"}, "type": {"Order"}, "reason": {"mail is down"}})
	s.post(t, "/pauses", "/pause", url.Values{"type": {"Order"}, "for": {"2999-01-01 10:00"}})
	require.Len(t, s.paused(t), 2, "so far ahead is refused")
	s.post(t, "/pauses", "/pause", url.Values{"type": {"Order"}, "for": {time.Now().UTC().Add(time.Hour).Format("2006-01-02 15:04")}})
	s.post(t, "/pauses", "/pause", url.Values{"definition": {definition.String()}})
	body = text(s.page(t, "/pauses"))
	for _, want := range []string{"definition greet of workspace acme dashboard:ann", "type Order dashboard:ann", "type Order of workspace acme dashboard:ann", "workspace acme dashboard:ann", "until it is resumed mail is down"} {
		require.Contains(t, body, want)
	}
	require.Contains(t, text(s.page(t, "/types")), "Order paused workflow type")
	for _, bad := range []url.Values{{"workspace": {"globex"}}, {"for": {"soon"}}, {"for": {"0s"}}, {"definition": {"x"}}, {"definition": {uuid.Nil.String()}}, {"workspace": {uuid.Nil.String()}}, {"type": {"Order"}, "definition": {definition.String()}}} {
		s.post(t, "/pauses", "/pause", bad)
		require.Len(t, s.paused(t), 4, bad)
	}

	for _, scope := range []url.Values{{"workspace": {acme.String()}}, {"workspace": {acme.String()}, "type": {"Order"}}, {"type": {"Order"}}, {"definition": {definition.String()}}} {
		before := len(s.paused(t))
		require.Contains(t, text(s.post(t, "/pauses", "/resume", scope)), "It is resumed.")
		require.Len(t, s.paused(t), before-1)
		require.Contains(t, text(s.post(t, "/pauses", "/resume", scope)), "It was not paused.")
	}
	require.Contains(t, text(s.page(t, "/pauses")), "Nothing is paused.")
}

// It needs no dispatcher that is there.
func TestAllIsPausedInTheDatabase(t *testing.T) {
	t.Parallel()
	s := setup(t)
	require.Contains(t, text(s.post(t, "/", "/pause", url.Values{"reason": {"moving"}})), "Dispatching is paused: nothing new starts.")
	body := text(s.page(t, "/"))
	require.Contains(t, body, "Everything is paused. By dashboard, ")
	require.Contains(t, body, "Resume dispatching…")
	require.Contains(t, text(s.post(t, "/", "/resume", nil)), "Dispatching is resumed, but whether the dispatchers themselves are paused is not known")
	require.Empty(t, s.paused(t))
}

func TestLimitsForATimeAreShownAndFallBack(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	at := "/workspaces/" + acme.String()
	form := func(more url.Values) url.Values {
		v := url.Values{"plan": {"STARTER"}, "was-plan": {"STARTER"}, "max": {"50"}, "was-max": {""}, "for": {"2h"}, "reason": {"a flood"}}
		for name, values := range more {
			v[name] = values
		}
		return v
	}
	require.Contains(t, text(s.post(t, at, at+"/limits", form(url.Values{"plan": {"PRO"}}))), "a plan is set for good")
	require.Contains(t, text(s.post(t, at, at+"/limits", form(url.Values{"cohort": {"eu"}, "was-cohort": {""}}))), "are set for good")
	require.Contains(t, text(s.post(t, at, at+"/limits", form(url.Values{"for": {"never"}}))), "neither a duration such as")
	require.Contains(t, text(s.page(t, at)), "Running at once 5 plan STARTER", "nothing was changed")
	require.Contains(t, text(s.post(t, at, at+"/limits", form(nil))), "The limits of acme are changed for a time")
	body := text(s.page(t, at))
	require.Contains(t, body, "0 / 50")
	require.Regexp(t, `Running at once 50 for a time, ends in (1h59m|2h00m), at \S+ \S+ UTC, by dashboard \(a flood\)`, body)
	require.Contains(t, text(s.post(t, at, at+"/limits/end", nil)), "1 limit has fallen back.")
	require.Contains(t, text(s.page(t, at)), "Running at once 5 plan STARTER")
}
