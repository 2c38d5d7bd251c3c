package api_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate/operatetest"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/workflows"
)

type object = map[string]any

func (b *bundle) enqueue() string {
	b.t.Helper()
	answer, err := b.queue.Enqueue(b.t.Context(), queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition, Input: []byte(`{"secret": 42}`)})
	require.NoError(b.t, err)
	return answer.QueueID.String()
}

func TestItemsAreListedPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace("other")
	var want []any
	for range 5 {
		want = append([]any{b.enqueue()}, want...)
	}
	_, err := b.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: other, DefinitionID: definition})
	require.NoError(t, err)
	var got []any
	path := "/api/v1/items?limit=2&workspace=" + b.workspace.String()
	for next, pages := path, 0; next != ""; pages++ {
		require.Less(t, pages, 5)
		page := b.send("", http.MethodGet, next, nil).object(http.StatusOK)
		for _, item := range page["items"].([]any) {
			require.NotContains(t, item, "input", "a page may be of many")
			got = append(got, item.(object)["id"])
		}
		next = ""
		if before, more := page["next"]; more {
			next = path + "&before=" + before.(string)
		}
	}
	require.Equal(t, want, got)

	_, err = b.queue.Cancel(t.Context(), uuid.MustParse(want[0].(string)), "ann", "")
	require.NoError(t, err)
	for query, n := range map[string]int{"": 6, "status=CANCELLED": 1, "status=PENDING": 5, "reason=cancelled": 1, "definition=" + b.definition.String(): 5, "type=Bill": 0, "workflowId=execution-" + want[0].(string): 1, "workflowId=execution-" + want[0].(string) + "&status=PENDING": 0, "workflowId=other": 0, "workspace=" + uuid.NewString(): 0} {
		require.Len(t, b.send("", http.MethodGet, "/api/v1/items?"+query, nil).object(http.StatusOK)["items"], n, query)
	}
	for query, says := range map[string]string{
		"status=WAITING": "query.status", "limit=0": "query.limit", "limit=201": "query.limit", "limit=x": "query.limit", "before=x": "query.before", "from=x": "query.from",
		"status=PENDING&reason=cancelled": "reason is why", "type=T&definition=" + b.definition.String(): "type is of workflows", "workspace=nobody": "unknown workspace",
	} {
		r := b.send("", http.MethodGet, "/api/v1/items?"+query, nil)
		require.Contains(t, string(r.raw), says, query)
		require.Contains(t, []int{http.StatusUnprocessableEntity, http.StatusNotFound}, r.status)
	}
}

func TestAnItemIsShownWithItsStory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	later := b.send("", http.MethodPost, "/api/v1/items", object{"workspace": b.workspace.String(), "definition": b.definition.String(), "delay": "1h"}).object(http.StatusCreated)
	item := b.send("", http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK)
	require.Equal(t, "PENDING", item["status"])
	require.Equal(t, false, item["done"])
	require.EqualValues(t, 1, item["place"])
	require.Equal(t, object{"secret": 42.0}, item["input"])
	require.Equal(t, "enqueued", item["activity"].([]any)[0].(object)["action"])
	require.Equal(t, "scheduled", b.send("", http.MethodGet, "/api/v1/items/"+later["queueId"].(string), nil).object(http.StatusOK)["reason"])
	unknown := uuid.NewString()
	require.Equal(t, "no item "+unknown, b.send("", http.MethodGet, "/api/v1/items/"+unknown, nil).problem(http.StatusNotFound, "unknown-item")["detail"])
	b.send("", http.MethodGet, "/api/v1/items/abc", nil).problem(http.StatusUnprocessableEntity, "invalid")
}

func TestPayloadsAreHiddenFromThoseWhoMayNotSeeThem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	for _, secret := range []string{b.token(admin.RoleWorkspace, b.workspace, false), b.token(admin.RoleOperatorWrite, uuid.Nil, false)} {
		item := b.send(secret, http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK)
		require.NotContains(t, item, "input")
	}
	seeing := b.token(admin.RoleWorkspace, b.workspace, true)
	require.Contains(t, b.send(seeing, http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK), "input")
}

func TestWhoWaitsForAnItemGetsItsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	began := time.Now()
	item := b.send("", http.MethodGet, "/api/v1/items/"+id+"?wait=100ms", nil).object(http.StatusOK)
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
	require.Equal(t, false, item["done"])

	done := make(chan object, 1)
	go func() { done <- b.send("", http.MethodGet, "/api/v1/items/"+id+"?wait=4m", nil).object(http.StatusOK) }()
	b.awaitWaiting(id)
	_, err := b.queue.Cancel(t.Context(), uuid.MustParse(id), "ann", "")
	require.NoError(t, err)
	item = <-done
	require.Equal(t, true, item["done"])
	require.Equal(t, "CANCELLED", item["status"])
	require.Less(t, time.Since(began), 2*time.Minute)
	b.send("", http.MethodGet, "/api/v1/items/"+id+"?wait=1m", nil).object(http.StatusOK)
	for _, wait := range []string{"6m", "-1s", "soon", "1e9h"} {
		other := b.enqueue()
		b.send("", http.MethodGet, "/api/v1/items/"+other+"?wait="+wait, nil).problem(http.StatusUnprocessableEntity, "invalid")
	}
}

// awaitWaiting returns when Postgres has been asked for an item once more than before.
func (b *bundle) awaitWaiting(string) {
	b.t.Helper()
	taken := b.pool.Stat().AcquireCount()
	require.Eventually(b.t, func() bool { return b.pool.Stat().AcquireCount() > taken+2 }, time.Minute, time.Millisecond)
}

func TestWhoWaitsWhenTheServerStopsGetsWhatIsKnown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	done := make(chan object, 1)
	go func() { done <- b.send("", http.MethodGet, "/api/v1/items/"+id+"?wait=5m", nil).object(http.StatusOK) }()
	b.awaitWaiting(id)
	b.stop()
	require.Equal(t, "PENDING", (<-done)["status"])
	b.send("", http.MethodGet, "/api/v1/items/"+id, nil).problem(http.StatusServiceUnavailable, "starting")
}

func TestAnItemThatWaitsIsCancelledAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	secret := b.token(admin.RoleWorkspace, b.workspace, false)
	path := "/api/v1/items/" + id + "/cancel"
	b.send(secret, http.MethodPost, path, object{"reason": strings.Repeat("x", 1001)}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, object{"queueId": id, "status": "CANCELLED", "message": "cancelled before it started"},
		b.send(secret, http.MethodPost, path, object{"reason": "mistake"}).object(http.StatusOK))
	require.Contains(t, b.send(secret, http.MethodPost, path, nil).problem(http.StatusConflict, "ended")["detail"], "has already ended: it is cancelled")
	activity := b.send(secret, http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK)["activity"].([]any)
	last := activity[len(activity)-1].(object)
	require.Equal(t, "api:workspace", last["actor"])
	require.Contains(t, fmt.Sprint(last), "mistake")
}

func TestAnItemThatRunsIsAskedToCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	operatetest.Worker(t, b.temporal)
	id := uuid.MustParse(b.enqueue())
	run := b.start(id)
	cancelled := b.send("", http.MethodPost, "/api/v1/items/"+id.String()+"/cancel", object{}).object(http.StatusOK)
	require.Equal(t, "CANCEL_REQUESTED", cancelled["status"])
	require.ErrorContains(t, run.Get(t.Context(), nil), "canceled")
}

// start claims and starts an item, as the dispatcher would.
func (b *bundle) start(id uuid.UUID) client.WorkflowRun {
	b.t.Helper()
	ctx := b.t.Context()
	taken, err := store.TakeOver(ctx, b.pool, 0, "run", 1)
	require.NoError(b.t, err)
	var claimed store.ClaimResult
	require.NoError(b.t, store.Send(ctx, b.pool, func(batch *pgx.Batch) {
		store.QueueClaim(batch, store.ClaimRequest{Turn: taken + 1, Items: []uuid.UUID{id}, Versions: make([]uuid.UUID, 1), Now: time.Now()}, &claimed)
	}))
	require.Len(b.t, claimed.Items, 1)
	run, err := b.temporal.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{
		ID: workflows.ExecutionID(id), TaskQueue: workflows.TaskQueueDefault, TypedSearchAttributes: workflows.ExecutionAttributes(uuid.New(), "FREE", "x", id),
	}, workflows.ExecutionType)
	require.NoError(b.t, err)
	require.NoError(b.t, store.Settle(ctx, b.pool, []store.Started{{ExecutionID: id, RunID: run.GetRunID()}}))
	return run
}

func TestAnItemIsEnqueuedOnceUnderAKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.token(admin.RoleWorkspace, b.workspace, true)
	item := object{"definition": b.definition.String(), "input": object{"order": 7}}
	first := b.send(secret, http.MethodPost, "/api/v1/items", item, "Idempotency-Key", "order-7")
	created := first.object(http.StatusCreated)
	require.Equal(t, "QUEUED", created["status"])
	require.Equal(t, "/api/v1/items/"+created["queueId"].(string), first.header.Get("Location"))
	again := b.send(secret, http.MethodPost, "/api/v1/items", item, "Idempotency-Key", "order-7").object(http.StatusOK)
	require.Equal(t, created["queueId"], again["queueId"])
	item["uniqueKey"] = "order-7"
	require.Equal(t, created["queueId"], b.send(secret, http.MethodPost, "/api/v1/items", item).object(http.StatusOK)["queueId"])
	b.send(secret, http.MethodPost, "/api/v1/items", item, "Idempotency-Key", "order-8").problem(http.StatusUnprocessableEntity, "invalid")

	described := b.send(secret, http.MethodGet, first.header.Get("Location"), nil).object(http.StatusOK)
	require.Equal(t, "order-7", described["uniqueKey"])
	require.Equal(t, "api:workspace", described["activity"].([]any)[0].(object)["actor"])
}

func TestAWorkflowIsEnqueuedAsJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	created := b.send("", http.MethodPost, "/api/v1/items", `{"workspace": "`+b.workspace.String()+`", "priority": 1, "uniqueKey": "k", "uniqueFor": "7d", "expiresIn": "1h", "workflow":
		{"type": "SendInvoice", "taskQueue": "invoices", "id": "invoice-4711", "args": [{"order": 4711, "exact": 12345678901234567890, "large": 1e400}, 42], "options": {"runTimeout": "2h", "retry": {"maximumAttempts": 3}, "memo": {"a": [1]}}}}`).object(http.StatusCreated)
	require.Equal(t, "invoice-4711", created["workflowId"])
	state, err := b.queue.Get(t.Context(), uuid.MustParse(created["queueId"].(string)))
	require.NoError(t, err)
	require.Equal(t, "SendInvoice", *state.WorkflowType)
	require.Equal(t, "invoices", *state.TaskQueue)
	require.Equal(t, 1, state.Priority)
	require.NotNil(t, state.ExpiresAt)
	require.Contains(t, string(state.Input), "12345678901234567890", "numbers stay what they are")
	require.Contains(t, string(state.Input), "1"+strings.Repeat("0", 400))
	for body, says := range map[string]string{
		`{"workflow": {"type": "T", "options": {"cron": "x"}}}`:       "body.workflow.options.cron",
		`{"workflow": {"type": "T", "options": {"runTimeout": "x"}}}`: "runTimeout",
		`{"workflow": {"taskQueue": "T"}}`:                            "body.workflow",
		`{"workflow": {"type": "SluiceX"}, "input": {}}`:              "input is of a definition",
		`{}`:                  "a definition or a workflow",
		`{"definition": "x"}`: "body.definition",
		`{"workflow": {"type": "T"}, "uniqueKey": ""}`:                                      "body.uniqueKey",
		`{"workflow": {"type": "T"}, "delay": "soon"}`:                                      "body.delay",
		`{"workflow": {"type": "T"}, "delay": "1h", "availableAt": "2030-01-01T00:00:00Z"}`: "exclude each other",
		`{"workflow": {"type": "T"}, "uniqueFor": "1h"}`:                                    "needs a uniqueKey",
		`{"workflow": {"type": "T"}, "priority": 6}`:                                        "body.priority",
		`{"definition": "` + b.definition.String() + `", "input": [1]}`:                     "input",
		`{"workflow": {"type": "T"}} {}`:                                                    "more after",
		`{"workflow"`:                                                                       "body",
		`{"workflow": {"type": "T"}, "workspce": "x"}`:                                      "body.workspce",
	} {
		r := b.send("", http.MethodPost, "/api/v1/items", strings.Replace(body, "{", `{"workspace": "`+b.workspace.String()+`", `, 1))
		if body == `{}` {
			r = b.send("", http.MethodPost, "/api/v1/items", `{"workspace": "`+b.workspace.String()+`"}`)
		}
		require.Contains(t, []int{http.StatusBadRequest, http.StatusUnprocessableEntity}, r.status, "%s: %s", body, r.raw)
		require.Contains(t, string(r.raw), says, body)
	}
	b.send("", http.MethodPost, "/api/v1/items", object{"workflow": object{"type": "T"}}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send("", http.MethodPost, "/api/v1/items", object{"workspace": "nobody", "workflow": object{"type": "T"}}).problem(http.StatusNotFound, "unknown-workspace")
}

func TestManyItemsAreEnqueuedAllOrNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.token(admin.RoleWorkspace, b.workspace, true)
	var items []object
	for i := range 10 {
		items = append(items, object{"definition": b.definition.String(), "uniqueKey": fmt.Sprint("d", i)}, object{"workflow": object{"type": fmt.Sprint("T", i)}, "uniqueKey": fmt.Sprint("w", i%5)})
	}
	bad := append(items[:len(items):len(items)], object{"workflow": object{"type": "T"}, "expiresIn": "1h", "delay": "2h"})
	p := b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": bad}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Contains(t, p["detail"], "item 21 of 21")
	require.Empty(t, b.send(secret, http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)["items"])

	list := b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": items}).object(http.StatusCreated)["answers"].([]any)
	require.Len(t, list, 20)
	for i := range 10 {
		id := list[2*i+1].(object)["queueId"]
		require.Equal(t, id, list[2*(i%5)+1].(object)["queueId"], "one of a key")
		state, err := b.queue.Get(t.Context(), uuid.MustParse(id.(string)))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint("T", i%5), *state.WorkflowType, "the answers are in the order of the items")
	}
	require.Len(t, b.send(secret, http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)["items"], 15)
	b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": make([]object, 1001)}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": []object{}}).problem(http.StatusUnprocessableEntity, "invalid")
}

// A token is taken for good for some seconds after it was seen last, and its workspace may have been deleted meanwhile.
func TestATokenDoesNotCreateItsWorkspaceAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	secret, workflow := b.token(admin.RoleWorkspace, b.workspace, true), object{"workflow": object{"type": "T"}}
	b.send(secret, http.MethodPost, "/api/v1/items", workflow).object(http.StatusCreated)
	_, err := b.office.DeleteWorkspace(t.Context(), b.workspace, "ann")
	require.NoError(t, err)
	b.send(secret, http.MethodPost, "/api/v1/items", workflow).problem(http.StatusNotFound, "unknown-workspace")
	b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": []object{workflow}}).problem(http.StatusNotFound, "unknown-workspace")
	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sluice.workspaces) + (SELECT count(*) FROM sluice.pending)`).Scan(&n))
	require.Zero(t, n)
}

// Who sends the header means to be safe from enqueueing twice, and would not be.
func TestAKeyOfOneItemIsRefusedForMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.token(admin.RoleWorkspace, b.workspace, true)
	for _, items := range [][]object{{{"definition": b.definition.String()}}, {{"workflow": object{"type": "T"}, "uniqueKey": "k"}, {"workflow": object{"type": "T"}}}} {
		p := b.send(secret, http.MethodPost, "/api/v1/items/bulk", object{"items": items}, "Idempotency-Key", "k").problem(http.StatusUnprocessableEntity, "invalid")
		require.Equal(t, "Idempotency-Key stands for one item: give each item a uniqueKey", p["detail"])
	}
	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.pending`).Scan(&n))
	require.Zero(t, n)
}

// Where items create workspaces: a request that is refused for what can be seen beforehand creates none, and each is looked for once.
func TestARefusedRequestCreatesNoWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	b.exec(`CREATE SEQUENCE public.looks`)
	b.exec(`ALTER FUNCTION sluice.workspace(text) RENAME TO workspace_counted`)
	b.exec(`CREATE FUNCTION sluice.workspace(key text) RETURNS uuid LANGUAGE plpgsql AS $$ BEGIN
		PERFORM nextval('public.looks');
		RETURN sluice.workspace_counted(key);
	END $$`)
	created := func() (n int) {
		t.Helper()
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.workspaces WHERE external_key LIKE 'new-%'`).Scan(&n))
		return n
	}
	of := func(key string, more object) object {
		item := object{"workspace": key, "workflow": object{"type": "T"}}
		maps.Copy(item, more)
		return item
	}
	definition := object{"workspace": "new-two", "definition": b.definition.String()}
	for code, items := range map[string][]object{
		"invalid":           {of("new-one", nil), of("new-two", object{"uniqueKey": "a\x00b"})},
		"unknown-workspace": {of("new-one", nil), definition},
	} {
		status := map[string]int{"invalid": http.StatusUnprocessableEntity, "unknown-workspace": http.StatusNotFound}[code]
		p := b.send("", http.MethodPost, "/api/v1/items/bulk", object{"items": items}).problem(status, code)
		require.Contains(t, p["detail"], "item 2 of 2")
		b.send("", http.MethodPost, "/api/v1/items", items[1]).problem(status, code)
	}
	require.Zero(t, created())

	many := []object{of("new-two", nil)}
	for range 300 {
		many = append(many, of("new-one", nil))
	}
	require.Len(t, b.send("", http.MethodPost, "/api/v1/items/bulk", object{"items": many}).object(http.StatusCreated)["answers"], len(many))
	require.Equal(t, 2, created())
	var looks int
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT last_value FROM public.looks`).Scan(&looks))
	require.Equal(t, 2, looks)
}

// A page may have 200 items, each with an input of 256 KiB and a result of 1 MiB: hundreds of megabytes that no answer has.
func TestAPageReadsNoInputs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("", http.MethodPost, "/api/v1/items", object{"definition": b.definition.String(), "workspace": b.workspace.String(),
		"input": object{"text": strings.Repeat("x", 4000)}}).object(http.StatusCreated)
	b.exec(`ALTER TABLE sluice.inputs RENAME TO inputs_elsewhere`)
	page := b.send("", http.MethodGet, "/api/v1/items", nil).object(http.StatusOK)
	require.Len(t, page["items"], 1)
	require.NotContains(t, page["items"].([]any)[0], "input")
}
