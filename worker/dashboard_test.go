package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/devstack"
	"sluice/internal/store"
	"sluice/queue"
)

// office is a worker with --dev and what there is to look at.
type office struct {
	at        string // of the dashboard
	pool      *pgxpool.Pool
	temporal  client.Client
	queue     *queue.Client
	acme, shy uuid.UUID // workspaces: acme's slots are taken for as long as the test lasts, shy's name is an attack
	hold      uuid.UUID // a definition of acme that runs for long
	items     []uuid.UUID
	stop      func() error
}

func openOffice(t *testing.T) *office {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dev")
	stdout, _, stop := start(t, settings(func(c *config) {
		c.dev, c.devDir, c.http, c.shutdownTimeout = true, dir, address{hostPort: "127.0.0.1:0", explicit: true}, 5*time.Second
	}))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	running, err := devstack.ReadAddresses(dir)
	require.NoError(t, err)
	o := &office{at: dashboardOf(t, stdout), stop: stop}
	o.pool, err = store.Open(t.Context(), running.DatabaseURL, 4)
	require.NoError(t, err)
	t.Cleanup(o.pool.Close)
	o.temporal, err = client.Dial(client.Options{HostPort: running.TemporalAddress, Namespace: running.Namespace, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	t.Cleanup(o.temporal.Close)
	o.queue = queue.New(o.pool)
	a := admin.New(o.pool)
	acme, err := a.CreateWorkspace(t.Context(), "acme", "FREE", "test")
	require.NoError(t, err)
	shy, err := a.CreateWorkspace(t.Context(), `<script>document.title="attacked"</script>`, "PRO", "test")
	require.NoError(t, err)
	o.acme, o.shy = acme.ID, shy.ID
	hold, err := a.ApplyDefinition(t.Context(), o.acme, []byte(`{"name": "hold", "nodes": [{"name": "wait", "type": "delay", "config": {"duration": "1h"}}]}`), "test")
	require.NoError(t, err)
	o.hold = hold.ID
	for range 6 {
		o.items = append(o.items, o.enqueue(t))
	}
	// One that fails: its type is the demo's, its argument is not.
	_, err = o.queue.Enqueue(t.Context(), o.order(t))
	require.NoError(t, err)
	return o
}

func (o *office) enqueue(t *testing.T) uuid.UUID {
	t.Helper()
	answer, err := o.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: o.acme, DefinitionID: o.hold, Input: json.RawMessage(`{"note": "<b>bold</b>"}`)})
	require.NoError(t, err)
	return answer.QueueID
}

func (o *office) order(t *testing.T) queue.Item {
	t.Helper()
	item, err := o.queue.NewWorkflow(t.Context(), queue.Item{WorkspaceID: o.shy}, client.StartWorkflowOptions{TaskQueue: demoOrders}, demoOrderType, "<img src=x>")
	require.NoError(t, err)
	return item
}

func (o *office) state(t *testing.T, id uuid.UUID) queue.State {
	t.Helper()
	state, err := o.queue.Get(t.Context(), id)
	require.NoError(t, err)
	return state
}

// An operator's day, in a real browser on a real stack.
func TestTheDashboardInABrowser(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	o := openOffice(t)
	require.Eventually(t, func() bool { return o.state(t, o.items[1]).Done() || o.state(t, o.items[1]).ExecutionStatus != nil }, time.Minute, 100*time.Millisecond)

	// What happens shows without the page being loaded again.
	b.open(o.at + "/")
	b.says("#tile-c-backlog .value", "4")
	b.says("#plan-FREE", "2 / 2")
	var own int
	require.NoError(t, o.pool.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice-dashboard'`).Scan(&own))
	require.NotZero(t, own, "who looks does not use the connections of the dispatcher")
	eval[bool](b, `window.notLoadedAgain = true`)
	o.enqueue(t)
	b.says("#tile-c-backlog .value", "5")
	require.True(t, eval[bool](b, `window.notLoadedAgain === true`))

	// The keyboard alone pauses dispatching, and says why.
	b.tabTo(`main [popovertarget="pause"]`)
	b.press(kb.Enter)
	b.until(`document.activeElement?.name === "reason"`)
	b.press("m", "o", "v", "i", "n", "g", kb.Enter)
	b.says("#said", "Dispatching is paused")
	b.says("#attention", "Everything is paused. By dashboard")
	b.says("#attention", "(moving)")
	require.Len(t, o.pauses(t), 1)
	require.Equal(t, "dashboard moving", o.pauses(t)[0].Actor+" "+o.pauses(t)[0].Reason)
	b.do(chromedp.Click(chromedp.CSS(`main [popovertarget="resume"]`)))
	b.do(chromedp.Click(chromedp.CSS(`#resume button[type="submit"]`)))
	b.says("#said", "Dispatching is resumed.")
	require.Empty(t, o.pauses(t))

	// A search narrows the table as one types, and has an address.
	b.open(o.at + "/workspaces")
	b.says("#count", "2 workspaces")
	eval[bool](b, `window.notLoadedAgain = true`)
	b.do(chromedp.Focus(chromedp.CSS("#q")))
	b.press("a", "c", "m")
	b.says("#count", "1 of 2 workspaces")
	b.until(`location.search.includes("q=acm")`)
	require.True(t, eval[bool](b, `window.notLoadedAgain === true && document.activeElement.id === "q"`))

	// A limit that is raised starts what waits.
	b.open(o.at + "/workspaces/" + o.acme.String())
	b.says("main", "at-capacity")
	b.do(chromedp.Click(chromedp.CSS(`main [popovertarget="limits"]`)))
	b.do(chromedp.SendKeys(chromedp.CSS(`#limits [name="max"]`), "3"), chromedp.Click(chromedp.CSS(`#limits button[type="submit"]`)))
	b.says("#said", "The limits of acme are changed")
	b.says("main", "3 / 3")
	b.says("main", "running at once 3")
	require.Eventually(t, func() bool { return o.state(t, o.items[2]).ExecutionStatus != nil }, time.Minute, 100*time.Millisecond)

	// One that waits and one that runs are cancelled: to the end in Temporal.
	waits, runs := o.items[5], o.items[0]
	b.open(o.at + "/items/" + waits.String())
	b.says("main", "in the line of its workspace")
	b.do(chromedp.Click(chromedp.CSS(`main [popovertarget="cancel"]`)), chromedp.Click(chromedp.CSS(`#cancel button[type="submit"]`)))
	b.says("#said", "Cancelled before it started.")
	require.Equal(t, "CANCELLED", o.state(t, waits).Status)
	b.open(o.at + "/items/" + runs.String())
	b.says("main", "in Temporal’s Web UI")
	b.do(chromedp.Click(chromedp.CSS(`main [popovertarget="cancel"]`)), chromedp.Click(chromedp.CSS(`#cancel button[type="submit"]`)))
	b.says("#said", "Its workflow has been asked to cancel")
	b.says("main .timeline", "cancelled")
	described, err := o.temporal.DescribeWorkflowExecution(t.Context(), o.state(t, runs).WorkflowID, "")
	require.NoError(t, err)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, described.GetWorkflowExecutionInfo().GetStatus())

	o.limitsAndPauses(t, b)
	o.many(t, b)
	o.whatIf(b)
	o.everyPage(t, b)
	b.until(`document.title !== "attacked"`)
}

// everyPage looks at all pages: light and dark, wide and narrow, with what axe-core and the console say.
func (o *office) everyPage(t *testing.T, b *tab) {
	t.Helper()
	require.Eventually(t, func() bool {
		list, err := o.queue.List(t.Context(), queue.Filter{WorkspaceID: o.shy, Status: "FAILED"})
		return err == nil && len(list) > 0
	}, time.Minute, 100*time.Millisecond)
	_, err := admin.New(o.pool).Pause(t.Context(), admin.Scope{WorkspaceID: o.shy, WorkflowType: "<b>Mail</b>"}, admin.Term{For: time.Hour}, "test", "<img src=x>") // for the picture
	require.NoError(t, err)
	source := axe(t)
	b.open(o.at + "/bulk")
	operation := eval[string](b, `document.querySelector("main tbody a").getAttribute("href")`)
	for name, at := range map[string]string{
		"overview": "/", "workspaces": "/workspaces", "workspace": "/workspaces/" + o.acme.String(), "what-if": "/workspaces/" + o.acme.String() + "/what-if?max=1&since=1h",
		"items": "/items", "item": "/items/" + o.items[1].String(),
		"failures": "/failures", "types": "/types", "activity": "/activity", "not-found": "/nowhere",
		"pauses": "/pauses", "bulk": "/bulk", "choice": "/bulk?action=cancel", "operation": operation,
	} {
		for _, scheme := range []string{"light", "dark"} {
			b.size(1400, 900)
			b.scheme(scheme)
			b.open(o.at + at)
			eval[bool](b, `document.addEventListener("securitypolicyviolation", e => window.violated = e.violatedDirective + " " + e.blockedURI), true`)
			b.fits(at)
			b.usable(source, at+" "+scheme)
			b.picture(name + "-" + scheme)
			b.size(390, 844)
			b.fits(at + ", narrow")
			b.picture(name + "-" + scheme + "-narrow")
			require.Empty(t, eval[string](b, `window.violated ?? ""`), "%s does what its policy forbids", at)
			require.Zero(t, eval[int](b, `document.querySelectorAll("main script, main img, [style]").length`), at)
		}
	}
	// Dark by the button, and still after the next page.
	b.size(1400, 900)
	b.scheme("light")
	b.open(o.at + "/")
	ground := eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do(chromedp.Click(chromedp.CSS("#theme")))
	b.open(o.at + "/types")
	require.NotEqual(t, ground, eval[string](b, `getComputedStyle(document.body).backgroundColor`))
	// All that a page has asked for is ours.
	for _, asked := range eval[[]string](b, `performance.getEntriesByType("resource").map(r => r.name)`) {
		require.True(t, strings.HasPrefix(asked, o.at+"/"), asked)
	}
}
