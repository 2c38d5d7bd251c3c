package main

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/queue"
)

func (b *tab) click(selectors ...string) {
	b.t.Helper()
	for _, selector := range selectors {
		b.do(chromedp.Click(chromedp.CSS(selector)))
	}
}

// write writes into an element.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (o *office) pauses(t *testing.T) []admin.Pause {
	t.Helper()
	list, err := admin.New(o.pool).Pauses(t.Context())
	require.NoError(t, err)
	return list
}

// limitsAndPauses pauses acme, gives it a slot more for a time, and a type everywhere: each through to what starts.
func (o *office) limitsAndPauses(t *testing.T, b *tab) {
	t.Helper()
	at := o.at + "/workspaces/" + o.acme.String()
	waits := o.items[4]
	b.open(at)
	b.click(`main [popovertarget="pause"]`)
	b.write(`#pause [name="reason"]`, "unpaid")
	b.write(`#pause [name="for"]`, "2h")
	b.click(`#pause button[type="submit"]`)
	b.says("#said", "It is paused")
	b.says("#attention", "Workspace acme is paused")
	held := o.pauses(t)
	require.Len(t, held, 1)
	require.Equal(t, "dashboard unpaid", held[0].Actor+" "+held[0].Reason)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), *held[0].Until, 5*time.Minute)
	b.click(`main [popovertarget="limits"]`)
	b.do(chromedp.SetValue(chromedp.CSS(`#limits [name="max"]`), "4"))
	b.write(`#limits [name="for"]`, "3h")
	b.write(`#limits [name="reason"]`, "a flood")
	b.picture("limits-light")
	b.click(`#limits button[type="submit"]`)
	b.says("#said", "changed for a time")
	b.says("main", "3 / 4")
	b.says("main", "for a time, ends in 2h5") // and some minutes
	require.Equal(t, "PENDING", o.state(t, waits).Status, "there is a slot, and it is paused")
	b.open(o.at + "/items/" + waits.String())
	b.says("main .timeline", "waits: paused")
	b.open(at)
	b.click(`main [popovertarget="resume"]`, `#resume button[type="submit"]`)
	b.says("#said", "It is resumed")
	require.Eventually(t, func() bool { return o.state(t, waits).ExecutionStatus != nil }, time.Minute, 100*time.Millisecond)
	b.says("main", "4 / 4")
	b.click(`main [popovertarget="end-temporary"]`, `#end-temporary button[type="submit"]`)
	b.says("#said", "1 limit has fallen back.")
	b.says("main", "4 / 3")

	b.open(o.at + "/types")
	b.click(`main a[href="/pauses?type=` + demoOrderType + `"]`)
	b.until(`document.querySelector('#pause [name="type"]')?.value === "` + demoOrderType + `"`)
	b.write(`#pause [name="reason"]`, `mail is down <img src=x onerror="document.title='attacked'">`)
	b.click(`#pause button[type="submit"]`)
	b.says("main table", "type "+demoOrderType)
	answer, err := o.queue.Enqueue(t.Context(), o.order(t))
	require.NoError(t, err)
	b.open(o.at + "/items/" + answer.QueueID.String())
	b.says("main .timeline", "waits: paused")
	b.open(o.at + "/pauses")
	b.tabTo(`main table button`)
	b.press(kb.Enter)
	b.until(`document.activeElement?.closest("#resume-0") !== null`)
	b.press(kb.Enter)
	b.says("#said", "It is resumed")
	b.says("main", "Nothing is paused.")
	require.Eventually(t, func() bool { return o.state(t, answer.QueueID).Done() }, time.Minute, 100*time.Millisecond)
}

// many does things to all items of a list, and to a group of failures.
func (o *office) many(t *testing.T, b *tab) {
	t.Helper()
	// The number of a group leads to what it counts, and all of that is enqueued anew.
	b.open(o.at + "/failures")
	b.says("main table", demoOrderType)
	b.click(`main tbody td.n a[href*="group="]`)
	b.until(`location.pathname === "/items" && document.querySelectorAll("main tbody tr").length === 2`)
	b.click(`main .actions a[href*="action=replay"]`)
	b.says("main .figure", "2 items")
	b.press("a", "g", "a", "i", "n", kb.Enter) // the cursor is where one says why
	b.says("main h2", "done")
	b.says("main", "2 enqueued anew")
	replays, err := store.Values[uuid.UUID](t.Context(), o.pool, `SELECT x.replay_of FROM sluice.replays x`)
	require.NoError(t, err)
	require.Len(t, replays, 2)

	// What waits is found by a filter, and gets another priority. Held up, it can be stopped.
	list := o.at + "/items?status=PENDING&workspace=" + o.acme.String()
	pending := func() (n int) {
		items, err := o.queue.List(t.Context(), queue.Filter{WorkspaceID: o.acme, Status: "PENDING"})
		require.NoError(t, err)
		for _, i := range items {
			if i.Priority == 1 {
				n++
			}
		}
		return n
	}
	for range 3 {
		o.enqueue(t)
	}
	reprioritize := func() {
		b.open(list)
		b.click(`main .actions a[href*="action=reprioritize"]`)
		b.until(`document.querySelector('#bulk [name="priority"]')`)
		b.do(chromedp.SetValue(chromedp.CSS(`#bulk [name="priority"]`), "1"))
		b.click(`#bulk button[type="submit"]`)
		b.until(`location.pathname.startsWith("/bulk/")`)
	}
	tx, err := o.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE sluice.activity_log IN SHARE MODE`)
	require.NoError(t, err)
	reprioritize()
	b.says("main h2", "going on")
	b.picture("operation-light")
	b.tabTo("#stop")
	b.press(kb.Enter)
	b.says("main h2", "stopped")
	require.NoError(t, tx.Rollback(t.Context()))
	require.Zero(t, pending())
	reprioritize()
	b.says("main h2", "done")
	require.GreaterOrEqual(t, pending(), 3)

	// All that runs is terminated: to the end in Temporal.
	running, err := o.queue.List(t.Context(), queue.Filter{WorkspaceID: o.acme, Status: "RUNNING"})
	require.NoError(t, err)
	require.Len(t, running, 4)
	b.open(o.at + "/items?status=RUNNING&workspace=" + o.acme.String())
	b.click(`main .actions a[href*="action=terminate"]`)
	b.says("main .figure", "4 items")
	b.click(`#bulk button[type="submit"]`)
	b.until(`document.querySelector("#bulk :invalid")?.name === "why"`)
	b.write(`#bulk [name="why"]`, "stuck")
	b.click(`#bulk button[type="submit"]`)
	b.says("main", "terminated")
	for _, item := range running {
		described, err := o.temporal.DescribeWorkflowExecution(t.Context(), item.WorkflowID, "")
		require.NoError(t, err)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED, described.GetWorkflowExecutionInfo().GetStatus())
	}
	b.open(o.at + "/items")
	b.write("#error", "terminated by dashboard: stuck")
	b.until(`document.querySelectorAll("main tbody tr").length === 4 && location.search.includes("error=terminated")`)
}

// whatIf plays what acme has run against other limits, by the keyboard.
func (o *office) whatIf(b *tab) {
	b.t.Helper()
	b.open(o.at + "/workspaces/" + o.acme.String())
	b.tabTo(`main a[href$="/what-if"]`)
	b.press(kb.Enter)
	b.until(`location.pathname.endsWith("/what-if") && document.readyState === "complete"`)
	require.False(b.t, eval[bool](b, `document.querySelector("#outcome") !== null`), "it has only been opened")
	b.tabTo(`#what-if [name="max"]`)
	b.press("1", kb.Enter) // in the place of what was there
	b.until(`new URLSearchParams(location.search).get("max") === "1"`)
	b.says("#outcome", "acme, as it is 3")
	b.says("#outcome", "acme, with the other limits 1")
	b.until(`document.querySelectorAll("main svg[data-plot]").length === 2`)
}
