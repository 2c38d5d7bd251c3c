package dashboard

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

func TestTheOverviewSaysHowEverythingIs(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	s.enqueue(t, acme, "Order", 3)
	s.ids(t, `INSERT INTO sluice.workers (id, identity, workflow_types) VALUES (gen_random_uuid(), 'worker-7', '{Invoice}') RETURNING id`)
	body := text(s.page(t, "/"))
	for _, want := range []string{"Backlog 3 items that wait", "an item of acme", "STARTER 5 each 1 3 0 / 5", "The dispatcher does not answer. the dispatcher is not running", "worker-7", "live", "Invoice"} {
		require.Contains(t, body, want)
	}
	require.Contains(t, body, "Pause dispatching…", "it needs no dispatcher")
}

func TestWorkspacesAreSearchedFilteredAndSorted(t *testing.T) {
	t.Parallel()
	s := setup(t)
	for n := range 120 {
		s.enqueue(t, s.workspace(t, fmt.Sprintf("team %03d", n)), "Order", n%3)
	}
	s.ids(t, `UPDATE sluice.workspaces SET plan = 'PRO', external_key = 'the-key' WHERE name = 'team 007' RETURNING id`)
	row := regexp.MustCompile(`<tr id="w-[^"]*"><th[^>]*><a[^>]*>([^<]*)</a>`)
	names := func(at string) (names []string) {
		for _, m := range row.FindAllStringSubmatch(s.page(t, at), -1) {
			names = append(names, m[1])
		}
		return names
	}
	require.Len(t, names("/workspaces"), 100)
	for _, last := range []string{"2", "3", "9223372036854775807", "99999999999999999999"} {
		require.Len(t, names("/workspaces?page="+last), 20, "beyond the last page is the last one")
	}
	require.Len(t, names("/workspaces?page=-9223372036854775808"), 100)
	require.Equal(t, "team 002", names("/workspaces")[0], "the largest backlog first, then by name")
	require.Equal(t, "team 000", names("/workspaces?sort=name")[0])
	require.Equal(t, "team 119", names("/workspaces?sort=-name")[0])
	require.Equal(t, "team 000", names("/workspaces?sort=pending")[0])
	require.Equal(t, []string{"team 011"}, names("/workspaces?q=M+011"))
	require.Equal(t, []string{"team 007"}, names("/workspaces?q=the-key"))
	require.Equal(t, []string{"team 007"}, names("/workspaces?plan=PRO"))
	require.Empty(t, names("/workspaces?reason=at-capacity"))
	require.Contains(t, text(s.page(t, "/workspaces?q=zebra")), "No workspace is like that")
}

func TestAWorkspaceShowsItsLineAndWhereItsLimitsComeFrom(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 30)
	s.end(t, "FAILED", "", "card declined", ids[0])
	at := "/workspaces/" + acme.String()
	after := s.post(t, at, at+"/limits", url.Values{"max": {"2"}, "was-max": {""}, "weight": {""}, "was-weight": {""}, "plan": {"PRO"}, "was-plan": {"STARTER"}})
	require.Contains(t, text(after), "The limits of acme are changed")
	body := text(s.page(t, at))
	require.Contains(t, body, "1 …"+ids[1].String()[24:]+" Order 3")
	require.NotContains(t, body, ids[29].String()[24:], "it is on the next page")
	require.Contains(t, text(s.page(t, at+"?after=25")), ids[29].String()[24:])
	require.Contains(t, body, "Running at once 2 its own")
	require.Contains(t, body, "Weight 4 plan PRO")
	require.Contains(t, body, "the workspace running at once 2")
	require.Contains(t, body, "the workspace plan STARTER → PRO")
	require.Contains(t, body, "card declined")
	for _, gone := range []string{"/workspaces/" + uuid.NewString(), "/workspaces/nonsense", "/items/" + uuid.NewString(), "/nowhere"} {
		status, _ := s.get(t, gone)
		require.Equal(t, http.StatusNotFound, status, gone)
	}
}

func TestAnItemTellsItsStory(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 2)
	s.end(t, "FAILED", "", "card declined", ids[0])
	body := s.page(t, "/items/"+ids[0].String())
	require.Regexp(t, "enqueued by shop .* claimed a slot by dispatcher .* started by dispatcher .* failed by execution", text(body))
	require.Contains(t, text(body), "card declined")
	require.Contains(t, body, `href="http://ui.example/namespaces/`)
	require.Contains(t, body, "/workflows/execution-"+ids[0].String()+"/run")
	waiting := text(s.page(t, "/items/"+ids[1].String()))
	require.Contains(t, waiting, "place 1 in the line of its workspace")
	require.Contains(t, waiting, `Input [ "Order" ]`)
	list := text(s.page(t, "/items?workspace="+acme.String()+"&status=PENDING"))
	require.Contains(t, list, ids[1].String()[24:])
	require.NotContains(t, list, ids[0].String()[24:])

	known := s.page(t, "/items?workflow=execution-"+ids[0].String())
	require.Contains(t, text(known), ids[0].String()[24:])
	require.NotContains(t, text(known), ids[1].String()[24:])
	require.NotContains(t, known, `href="/bulk`, "what is done to many items does not know the id")
	status, _ := s.get(t, "/bulk?action=replay&workflow=execution-"+ids[0].String())
	require.Equal(t, http.StatusBadRequest, status)
}

func TestFailuresTypesAndActivityAreGrouped(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 5)
	s.end(t, "FAILED", "", "order 17 is gone", ids[0])
	s.end(t, "FAILED", "", "order 4711 is gone", ids[1])
	s.end(t, "FAILED", "start-failed", "no such task queue", ids[2])
	s.end(t, "COMPLETED", "", "", ids[3])
	body := text(s.page(t, "/failures?since=1h"))
	require.Contains(t, body, "3 items in 2 groups")
	require.Contains(t, body, "2 FAILED Order order 4711 is gone")
	require.Contains(t, body, "1 FAILED start-failed Order no such task queue")
	require.Contains(t, text(s.page(t, "/types")), "Order workflow type 1 – 3 2 67 %")
	require.Contains(t, text(s.page(t, "/activity")), "workspace-created acme")
	require.Contains(t, text(s.page(t, "/activity?actor=nobody")), "Nothing is on record")
}

// What a tenant or an application can choose is shown as text wherever it is shown.
func TestWhatTenantsWriteIsShownAsText(t *testing.T) {
	t.Parallel()
	s := setup(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'&`
	acme := s.workspace(t, evil)
	s.ids(t, `UPDATE sluice.workspaces SET external_key = $1 RETURNING id`, evil)
	definition := s.ids(t, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, $2) RETURNING id`, acme, evil)[0]
	ids := s.enqueue(t, acme, evil, 6)
	s.end(t, "FAILED", "", evil, ids[0])
	s.end(t, "FAILED", evil, evil, ids[1])
	s.ids(t, `INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, unserved_since, unserved, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_type, task_queue, 3, 0, 1, now(), now(), now(), now(), now(), $2, 'x', $2, jsonb_build_object($2::text, $2::text) FROM sluice.pending WHERE id = $1 RETURNING id`, ids[2], evil)
	s.ids(t, `DELETE FROM sluice.pending WHERE id = $1 RETURNING id`, ids[2])
	s.ids(t, `UPDATE sluice.pending SET last_error = $2, attempt_count = 1, enqueued_by = $2 WHERE id = $1 RETURNING id`, ids[3], evil)
	s.ids(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, unique_key, input) VALUES (sluice.uuid_v7(), $1, $2, 'shop', $3, '{}') RETURNING id`, acme, definition, evil)
	s.ids(t, `INSERT INTO sluice.activity_log (actor, action, workspace_id, reason, details) VALUES ($2, $2, $1, $2, jsonb_build_object($2::text, $2::text)) RETURNING workspace_id`, acme, evil)
	s.ids(t, `INSERT INTO sluice.workers (id, identity, workflow_types) VALUES (gen_random_uuid(), $1, ARRAY[$1::text]) RETURNING id`, evil)
	s.ids(t, `INSERT INTO sluice.recovery (looked_at, failing_since, failing_error) VALUES (now(), now(), $1) ON CONFLICT (one) DO UPDATE SET failing_since = now(), failing_error = $1 RETURNING gen_random_uuid()`, evil)
	for _, scope := range []url.Values{{"workspace": {acme.String()}, "type": {evil}}, {"type": {evil}}, {"definition": {definition.String()}}} {
		scope.Set("reason", evil)
		s.post(t, "/pauses", "/pause", scope)
	}
	s.post(t, "/workspaces/"+acme.String(), "/workspaces/"+acme.String()+"/limits", url.Values{"max": {"50"}, "for": {"1h"}, "reason": {evil}})
	require.Contains(t, s.begin(t, "/bulk?action=reprioritize&workspace="+acme.String(), url.Values{"priority": {"2"}, "why": {evil}}), "changed")
	q := url.QueryEscape(evil)
	pages := []string{"/", "/workspaces", "/workspaces?q=" + q + "&plan=" + q + "&reason=" + q + "&sort=" + q, "/workspaces/" + acme.String(), "/workspaces/" + acme.String() + "/what-if?since=1h", "/items", "/items?type=" + q, "/items?reason=" + q,
		"/failures", "/types", "/types?name=" + q, "/activity", "/activity?actor=" + q,
		"/pauses", "/pauses?type=" + q + "&workspace=" + q, "/pauses?definition=" + definition.String(), "/bulk", "/bulk?action=cancel&type=" + q + "&error=" + q, "/bulk?action=retry&reason=" + q,
		"/bulk?action=cancel&workspace=" + acme.String() + "&definition=" + definition.String(), "/items?error=" + q, "/items?workflow=" + q}
	for _, id := range ids {
		pages = append(pages, "/items/"+id.String())
	}
	shown := 0
	for _, at := range pages {
		body := s.page(t, at)
		harmless(t, at, body)
		shown += strings.Count(body, "&lt;script&gt;alert(1)")
	}
	require.Greater(t, shown, 40, "it is shown")
	for _, bad := range []string{"/items?workspace=" + q, "/items?status=" + q, "/nowhere/" + url.PathEscape(evil), "/workspaces/" + url.PathEscape(evil), "/workspaces/" + acme.String() + "/what-if?max=" + q, "/workspaces/" + acme.String() + "/what-if?since=" + q, "/activity?before=" + q, "/bulk?action=" + q, "/bulk?action=retry&limit=" + q, "/bulk?action=cancel&older=" + q, "/bulk/" + url.PathEscape(evil), "/pauses?definition=" + q} {
		status, body := s.get(t, bad)
		require.GreaterOrEqual(t, status, 400, bad)
		require.Less(t, status, 500, bad)
		harmless(t, bad, body)
	}
}

// harmless says that a page, read as a browser does, has no scripts, images and handlers but its own.
func harmless(t *testing.T, at, body string) {
	t.Helper()
	for tokens := html.NewTokenizer(strings.NewReader(body)); tokens.Next() != html.ErrorToken; {
		token := tokens.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		require.NotEqual(t, "img", token.Data, at)
		own := token.Data != "script"
		for _, a := range token.Attr {
			require.False(t, strings.HasPrefix(a.Key, "on") || a.Key == "style", "%s: %s", at, token)
			if a.Key == "href" || a.Key == "src" || a.Key == "action" {
				require.Regexp(t, `^(/($|[^/])|#|http://ui\.example/)`, a.Val, at)
			}
			own = own || a.Key == "src" && strings.HasPrefix(a.Val, "/assets/")
		}
		require.True(t, own, "%s: a script of somebody else", at)
	}
}

// Every link of every page leads to a page, and every file that a page asks for is there.
func TestNoLinkIsDead(t *testing.T) {
	t.Parallel()
	s := setup(t)
	acme := s.workspace(t, "acme")
	ids := s.enqueue(t, acme, "Order", 40)
	s.end(t, "FAILED", "", "no", ids[:3]...)
	s.end(t, "FAILED", "start-failed", "no", ids[3:5]...)
	s.end(t, "COMPLETED", "", "", ids[5:8]...)
	definition := s.ids(t, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, acme)[0]
	s.ids(t, `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by, input)
		VALUES (sluice.uuid_v7(), $1, $2, 3, 0, 1, now(), now(), now(), now(), 'x', 'shop', '{}') RETURNING id`, acme, definition)
	s.ids(t, `UPDATE sluice.settings SET max_concurrent_workflows = 10 RETURNING gen_random_uuid()`)
	link := regexp.MustCompile(`(?:href|src)="(/[^"]*)"`)
	seen, todo := map[string]bool{"/": true}, []string{"/"}
	for len(todo) > 0 && len(seen) < 400 {
		at := todo[0]
		todo = todo[1:]
		for _, m := range link.FindAllStringSubmatch(s.page(t, at), -1) {
			to := strings.ReplaceAll(m[1], "&amp;", "&")
			if !seen[to] && !strings.Contains(to, "before=") {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	require.Greater(t, len(seen), 60)
	require.Empty(t, todo, "all were followed")
}

// What stays live is asked for by itself, and is the same as in the whole page.
func TestTheLivePartIsAskedForByItself(t *testing.T) {
	t.Parallel()
	s := setup(t)
	s.workspace(t, "acme")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+"/workspaces?q=ac", nil)
	require.NoError(t, err)
	r.Header.Set("HX-Request", "true")
	status, body := s.send(t, r)
	require.Equal(t, http.StatusOK, status)
	require.True(t, strings.HasPrefix(body, `<main id="live"`), body)
	require.Contains(t, body, `hx-get="/workspaces?q=ac"`)
	require.NotContains(t, body, "<html")
	r.Header.Set("HX-History-Restore-Request", "true")
	_, body = s.send(t, r)
	require.Contains(t, body, "<html", "of one who goes back the whole page is asked for")
}
