package dashboard

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// begin opens the page on which something is done to many items, sends its form, and waits until it is done.
func (s *site) begin(t *testing.T, at string, more url.Values) string {
	t.Helper()
	return s.confirm(t, at, s.page(t, at), more)
}

// confirm sends the form of such a page as it was opened, and waits until it is done.
func (s *site) confirm(t *testing.T, at, body string, more url.Values) string {
	t.Helper()
	fields := url.Values{"why": {"a test"}}
	_, form, found := strings.Cut(body, `id="bulk"`)
	require.True(t, found, text(body))
	for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(form, -1) {
		fields.Set(m[1], strings.ReplaceAll(m[2], "&amp;", "&"))
	}
	for name, values := range more {
		fields[name] = values
	}
	after := s.post(t, at, "/bulk", fields)
	found2 := regexp.MustCompile(`hx-get="(/bulk/[^"]*)"`).FindStringSubmatch(after)
	require.NotNil(t, found2, text(after))
	require.Eventually(t, func() bool {
		after = text(s.page(t, found2[1]))
		return !strings.Contains(after, "going on")
	}, time.Minute, 20*time.Millisecond)
	return after
}

func (s *site) statuses(t *testing.T, ids ...uuid.UUID) (list []string) {
	t.Helper()
	for _, id := range ids {
		state, err := queue.New(s.pool).Get(t.Context(), id)
		require.NoError(t, err)
		list = append(list, state.Status)
	}
	return list
}

func TestAllItemsOfAListAreChangedAtOnce(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme, globex := s.workspace(t, "acme"), s.workspace(t, "globex")
	orders, mails, others := s.enqueue(t, acme, "Order", 3), s.enqueue(t, acme, "Mail", 1), s.enqueue(t, globex, "Order", 1)
	s.post(t, "/", "/actor", url.Values{"name": {"ann"}})
	list := "/items?status=PENDING&type=Order&workspace=" + acme.String()
	body := s.page(t, list)
	require.Contains(t, body, `href="/bulk?action=cancel&amp;status=PENDING&amp;type=Order&amp;workspace=`+acme.String())
	require.Contains(t, text(body), "All of these: Cancel… Reprioritize…", "nothing that waits is terminated, retried or replayed")
	require.NotContains(t, s.page(t, "/items?status=COMPLETED"), "All of these")

	reprioritize := "/bulk?action=reprioritize&status=PENDING&type=Order&workspace=" + acme.String()
	require.Contains(t, text(s.page(t, reprioritize)), "3 items")
	require.Contains(t, text(s.begin(t, reprioritize, url.Values{"priority": {"1"}, "delay": {"1h"}})), "3 of 3")
	require.Len(t, s.ids(t, `SELECT id FROM sluice.pending WHERE priority = 1 AND available_at > now() + interval '50 minutes'`), 3)

	done := s.begin(t, "/bulk?action=cancel&type=Order&workspace="+acme.String(), nil)
	require.Contains(t, done, "Cancel 3 items by dashboard:ann (a test)")
	require.Contains(t, done, "3 cancelled before they started")
	require.Equal(t, []string{"CANCELLED", "CANCELLED", "CANCELLED", "PENDING", "PENDING"}, s.statuses(t, append(append(orders, mails...), others...)...))
	require.Len(t, s.ids(t, `SELECT id FROM sluice.ended WHERE actor = 'dashboard:ann' AND error ->> 'message' = 'a test'`), 3)
	require.Contains(t, text(s.page(t, "/bulk")), "Cancel 3 items done 3 dashboard:ann a test")

	// Of everything only by one who says so; of nothing not at all.
	all := url.Values{"action": {"cancel"}, "why": {"mistake"}}
	require.Contains(t, text(s.post(t, "/items", "/bulk", all)), "say that they are meant")
	require.Contains(t, text(s.post(t, "/items", "/bulk", url.Values{"action": {"replay"}, "workspace": {acme.String()}})), "there is nothing to replay")
	require.Contains(t, text(s.post(t, "/items", "/bulk", url.Values{"action": {"destroy"}})), "there is no action")
	require.Contains(t, text(s.post(t, "/items", "/bulk", url.Values{"action": {"reprioritize"}, "workspace": {acme.String()}})), "nothing to change")
	require.Equal(t, []string{"PENDING", "PENDING"}, s.statuses(t, mails[0], others[0]))
	require.Contains(t, s.begin(t, "/bulk?action=cancel", url.Values{"everything": {"yes"}}), "2 cancelled before they started")
	for _, at := range []string{"/bulk?action=destroy", "/bulk?action=cancel&status=FAILED", "/bulk?action=cancel&older=x", "/bulk?action=retry&limit=-1"} {
		status, _ := s.get(t, at)
		require.Equal(t, http.StatusBadRequest, status, at)
	}
	status, _ := s.get(t, "/bulk/"+uuid.NewString())
	require.Equal(t, http.StatusNotFound, status)
}

// Who looks at the page for a while does it to the items that it has counted.
func TestWhatComesAfterThePreviewIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	before := s.enqueue(t, acme, "Order", 2)
	at := "/bulk?action=cancel&workspace=" + acme.String()
	page := s.page(t, at)
	later := s.enqueue(t, acme, "Order", 1)
	require.Contains(t, s.confirm(t, at, page, nil), "Cancel 2 items")
	require.Equal(t, []string{"CANCELLED", "CANCELLED", "PENDING"}, s.statuses(t, append(before, later...)...))
	status, _ := s.get(t, at+"&as-of=yesterday")
	require.Equal(t, http.StatusBadRequest, status)
}

// A group's number leads to exactly the items that it counts, and so does what is done to them.
func TestAGroupOfFailuresIsListedRetriedAndReplayed(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 8)
	s.end(t, "FAILED", "", "order 17 is gone", ids[0])
	s.end(t, "FAILED", "", "order 4711 is gone", ids[1])
	s.end(t, "FAILED", "", "order 17 is gone for good", ids[2])
	s.end(t, "TIMED_OUT", "", "order 17 is gone", ids[3])
	s.end(t, "FAILED", "start-failed", "no task queue 7", ids[4])
	s.end(t, "FAILED", "start-failed", "no namespace", ids[5])
	s.end(t, "EXPIRED", "expired", "", ids[6])
	failures := s.page(t, "/failures?since=1h")
	row := func(begins string) (list, do string) {
		for _, tr := range strings.Split(failures, "<tr>") {
			if strings.HasPrefix(text(tr), begins) {
				links := regexp.MustCompile(`href="(/(items\?|bulk)[^"]*)"`).FindAllStringSubmatch(tr, -1)
				list = strings.ReplaceAll(links[0][1], "&amp;", "&")
				if last := links[len(links)-1][1]; strings.HasPrefix(last, "/bulk") {
					do = strings.ReplaceAll(last, "&amp;", "&")
				}
				return list, do
			}
		}
		require.Fail(t, "there is no such group", begins)
		return "", ""
	}
	listed := func(at string) (list []uuid.UUID) {
		for _, m := range regexp.MustCompile(`<tr id="i-([^"]*)"`).FindAllStringSubmatch(s.page(t, at), -1) {
			list = append(list, uuid.MustParse(m[1]))
		}
		return list
	}
	list, replay := row("2 FAILED Order order 4711 is gone")
	require.Equal(t, []uuid.UUID{ids[1], ids[0]}, listed(list))
	require.Equal(t, []uuid.UUID{ids[0]}, listed(list+"&before="+ids[1].String()))
	require.Contains(t, text(s.page(t, list)), "failed like: order 4711 is gone, in the last 1h")
	require.Contains(t, replay, "action=replay")
	require.Contains(t, s.begin(t, replay, nil), "2 enqueued anew")
	require.Len(t, s.ids(t, `SELECT x.replay_of FROM sluice.replays x WHERE x.replay_of = ANY ($1)`, ids[:2]), 2)
	require.Len(t, s.ids(t, `SELECT x.replay_of FROM sluice.replays x`), 2)

	list, retry := row("1 FAILED start-failed Order no task queue")
	require.Equal(t, []uuid.UUID{ids[4]}, listed(list))
	require.Contains(t, retry, "action=retry")
	require.Contains(t, s.begin(t, retry, nil), "1 back in the queue")
	require.Equal(t, []string{"PENDING", "FAILED"}, s.statuses(t, ids[4], ids[5]))
	require.Empty(t, listed(list), "it has become none of them")
	_, nothing := row("1 EXPIRED expired Order")
	require.Empty(t, nothing)

	at := "/items/" + ids[3].String()
	require.Contains(t, text(s.post(t, at, at+"/replay", nil)), "A new item with the same request is in the queue.")
	require.Contains(t, text(s.post(t, at, at+"/replay", nil)), "it has been already")
	require.Contains(t, text(s.page(t, at)), "Replayed as")
}

func TestItemsAreFoundByTheTextOfTheirError(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme, globex := s.workspace(t, "acme"), s.workspace(t, "globex")
	ids := append(s.enqueue(t, acme, "Order", 4), s.enqueue(t, globex, "Order", 1)...)
	s.end(t, "FAILED", "", "Card declined", ids[0], ids[4])
	s.end(t, "TIMED_OUT", "", "no answer", ids[1])
	s.end(t, "FAILED", "start-failed", "the card is gone", ids[2])
	s.ids(t, `UPDATE sluice.pending SET last_error = 'start-unanswered: CARD?' WHERE id = $1 RETURNING id`, ids[3])
	for query, want := range map[string][]uuid.UUID{
		"error=card": {ids[4], ids[3], ids[2], ids[0]}, "error=card&workspace=" + acme.String(): {ids[3], ids[2], ids[0]}, "error=card&status=FAILED": {ids[4], ids[2], ids[0]},
		"error=start-failed": {ids[2]}, "error=card&status=PENDING": {ids[3]}, "error=card&reason=start-failed": {ids[2]}, "error=card&type=Mail": nil, "error=%25": nil,
		"error=card&status=DISPATCHED": {ids[4], ids[0]}, "error=card&before=" + ids[2].String(): {ids[0]}, "error=card&status=COMPLETED": nil,
	} {
		var list []uuid.UUID
		for _, m := range regexp.MustCompile(`<tr id="i-([^"]*)"`).FindAllStringSubmatch(s.page(t, "/items?"+query), -1) {
			list = append(list, uuid.MustParse(m[1]))
		}
		require.Equal(t, want, list, query)
	}
	require.Contains(t, text(s.page(t, "/bulk?action=replay&error=CARD")), "2 items", "what is done to them means the same")
}
