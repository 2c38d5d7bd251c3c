package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/queue"
	"sluice/workflows"
)

func TestWhatIsPausedWaitsWithWhoAndWhyUntilItIsResumed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	paused := b.send("", http.MethodPost, "/api/v1/pause", object{"workspace": b.workspace.String(), "reason": "unpaid", "for": "2h"}).object(http.StatusOK)
	require.Equal(t, true, paused["changed"])
	require.Equal(t, false, b.send("", http.MethodPost, "/api/v1/resume", object{"definition": b.definition.String()}).object(http.StatusOK)["changed"], "it is another pause")
	b.send("", http.MethodPost, "/api/v1/pause", object{"type": "SendInvoice"}).object(http.StatusOK)

	item := b.send("", http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK)
	require.Equal(t, "paused", item["reason"])
	require.Equal(t, "unpaid", item["pause"].(object)["reason"])
	require.Equal(t, "api", item["pause"].(object)["actor"])
	require.Len(t, b.send("", http.MethodGet, "/api/v1/pauses", nil).object(http.StatusOK)["pauses"], 2)
	require.Len(t, b.send("", http.MethodGet, "/api/v1/status", nil).object(http.StatusOK)["pauses"], 2)

	resumed := b.send("", http.MethodPost, "/api/v1/resume", object{"workspace": b.workspace.String()}).object(http.StatusOK)
	require.Equal(t, true, resumed["changed"])
	require.Len(t, resumed["paused"], 1)
	require.NotContains(t, b.send("", http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK), "pause")
	for _, wrong := range []object{{"for": "0"}, {"for": "1h", "until": "2199-01-01T00:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}, {"type": "T", "definition": b.definition.String()}, {"definition": uuid.Nil.String()},
		{"workspace": nil}, {"workspace": ""}, {"type": ""}, {"Workspace": b.workspace.String()}} {
		b.send("", http.MethodPost, "/api/v1/pause", wrong).problem(http.StatusUnprocessableEntity, "invalid")
	}
	b.send("", http.MethodPost, "/api/v1/resume", object{"type": ""}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Len(t, b.send("", http.MethodGet, "/api/v1/pauses", nil).object(http.StatusOK)["pauses"], 1, "nothing that was refused is paused")
}

func (b *bundle) pauseDispatcher() {
	b.t.Helper()
	_, err := operate.Pause(b.t.Context(), b.temporal, b.pool, workflows.PauseRequest{Actor: "ann"})
	require.NoError(b.t, err)
}

// failed has a pending item FAILED: its start, or its execution.
func (b *bundle) failed(id string, started bool) {
	b.t.Helper()
	b.exec(`WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, error, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'FAILED', CASE WHEN NOT $2 THEN 'start-failed' END, '{"message": "boom"}', priority, 3, created_at, available_at,
			CASE WHEN $2 THEN now() END, CASE WHEN $2 THEN now() END, now(), trigger_type, enqueued_by, input FROM gone`, id, started)
}

func TestResumeOfAllEndsThePauseOfTheDispatchersToo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.send("", http.MethodPost, "/api/v1/pause", object{"reason": "deploy"}).object(http.StatusOK)
	resumed := b.send("", http.MethodPost, "/api/v1/resume", object{}).object(http.StatusOK)
	require.Equal(t, true, resumed["changed"])
	require.Contains(t, resumed["dispatchersError"], "not running")
	operatetest.Worker(t, b.temporal)
	b.startDispatcher()
	resumed = b.send("", http.MethodPost, "/api/v1/resume", object{}).object(http.StatusOK)
	require.Equal(t, object{"changed": false, "paused": []any{}}, resumed)
	b.pauseDispatcher()
	resumed = b.send("", http.MethodPost, "/api/v1/resume", object{}).object(http.StatusOK)
	require.Equal(t, object{"changed": true, "paused": []any{}}, resumed)
	require.Equal(t, "waiting", b.send("", http.MethodGet, "/api/v1/status", nil).object(http.StatusOK)["dispatcher"].(object)["phase"])
}

func TestLimitsHoldForATimeAndFallBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := "/api/v1/workspaces/" + b.workspace.String()
	set := b.send("", http.MethodPatch, path, object{"maxConcurrentWorkflows": 50, "for": "2h", "reason": "end of the month"}).object(http.StatusOK)
	require.NotContains(t, set, "maxConcurrentWorkflows")
	limits := b.send("", http.MethodGet, path, nil).object(http.StatusOK)["limits"].(object)
	temporary := limits["temporary"].([]any)[0].(object)
	require.Equal(t, "maxConcurrentWorkflows", temporary["limit"])
	require.EqualValues(t, 50, temporary["to"])
	require.Equal(t, "end of the month", temporary["reason"])
	require.Equal(t, "api", temporary["actor"])
	require.NotContains(t, b.send("", http.MethodDelete, path+"/temporary", nil).object(http.StatusOK), "temporary")
	for _, wrong := range []object{{"for": "1h"}, {"weight": nil, "for": "1h"}, {"cohort": "eu", "for": "1h"}, {"weight": 2, "reason": "why"}, {"weight": 2, "until": "2020-01-01T00:00:00Z"}} {
		b.send("", http.MethodPatch, path, wrong).problem(http.StatusUnprocessableEntity, "invalid")
	}
}

func TestManyItemsAreCountedBeforeTheyAreChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace("other")
	_, err := b.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: other, DefinitionID: definition})
	require.NoError(t, err)
	first, second := b.enqueue(), b.enqueue()
	own := b.token(admin.RoleWorkspace, b.workspace, false)

	counted := b.send(own, http.MethodPost, "/api/v1/items/cancel", object{"all": true, "dryRun": true}).object(http.StatusOK)
	asOf := counted["asOf"]
	require.Equal(t, object{"action": "cancel", "asOf": asOf, "selected": 2.0, "counts": object{"PENDING": 2.0, "CLAIMED": 0.0, "RUNNING": 0.0}, "done": 0.0, "complete": false}, counted)
	moved := b.send(own, http.MethodPost, "/api/v1/items/reprioritize", object{"ids": []string{second}, "priority": 1, "delay": "1h", "reason": "at night"}).object(http.StatusOK)
	require.EqualValues(t, 1, moved["done"])
	item := b.send(own, http.MethodGet, "/api/v1/items/"+second, nil).object(http.StatusOK)
	require.EqualValues(t, 1, item["priority"])
	require.Equal(t, "scheduled", item["reason"])

	again := b.send(own, http.MethodPost, "/api/v1/items/reprioritize", object{"ids": []string{second}, "priority": 1, "delay": "1h", "asOf": moved["asOf"]}).object(http.StatusOK)
	require.EqualValues(t, 0, again["done"], "it is as it was to be, by the time of the first request")
	later := b.enqueue()
	require.EqualValues(t, 2, b.send(own, http.MethodPost, "/api/v1/items/cancel", object{"all": true, "dryRun": true, "asOf": asOf}).object(http.StatusOK)["selected"], "what came later is not meant")

	ended := b.send(own, http.MethodPost, "/api/v1/items/cancel", object{"asOf": asOf, "definition": b.definition.String(), "reason": "mistake"}).object(http.StatusOK)
	require.EqualValues(t, 2, ended["done"])
	require.EqualValues(t, 2, ended["cancelled"])
	require.Equal(t, true, ended["complete"])
	require.Equal(t, "CANCELLED", b.send(own, http.MethodGet, "/api/v1/items/"+first, nil).object(http.StatusOK)["status"])
	require.Equal(t, "PENDING", b.send(own, http.MethodGet, "/api/v1/items/"+later, nil).object(http.StatusOK)["status"])
	require.EqualValues(t, 1, b.send(own, http.MethodPost, "/api/v1/items/cancel", object{"ids": []string{later}}).object(http.StatusOK)["done"])
	var actor, why string
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT actor, reason FROM sluice.activity WHERE queue_id = $1 AND action = 'reprioritized'`, second).Scan(&actor, &why))
	require.Equal(t, []string{"api:workspace", "at night"}, []string{actor, why}, "who has done it, and why, is on record")
	operator := b.token(admin.RoleOperatorRead, uuid.Nil, false)
	require.Len(t, b.send(operator, http.MethodGet, "/api/v1/items?status=PENDING", nil).object(http.StatusOK)["items"], 1, "that of the other workspace")

	for _, wrong := range []object{{}, {"dryRun": true}, {"all": true, "type": "T"}, {"ids": []string{}}, {"all": true, "limit": 5}, {"status": "FAILED"}, {"olderThan": "soon"},
		{"type": "T", "workspace": ""}, {"workspace": b.workspace.String(), "type": ""}, {"type": "T", "error": ""}, {"type": "T", "failedFor": ""}} {
		b.send(own, http.MethodPost, "/api/v1/items/cancel", wrong).problem(http.StatusUnprocessableEntity, "invalid")
	}
	b.send(own, http.MethodPost, "/api/v1/items/reprioritize", object{"all": true}).problem(http.StatusUnprocessableEntity, "invalid")
}

// The nil id stands for any inside, and is what an id that was never set looks like to many who ask.
func TestTheNilIDMeansNotAllItems(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	operator := b.token(admin.RoleOperatorWrite, uuid.Nil, false)
	for _, secret := range []string{own, operator} {
		b.send(secret, http.MethodPost, "/api/v1/items/cancel", object{"definition": uuid.Nil.String()}).problem(http.StatusUnprocessableEntity, "invalid")
		b.send(secret, http.MethodPost, "/api/v1/items/cancel", object{"workspace": uuid.Nil.String()}).problem(http.StatusNotFound, "unknown-workspace")
	}
	b.send(operator, http.MethodDelete, "/api/v1/workspaces/"+uuid.Nil.String(), nil).problem(http.StatusNotFound, "unknown-workspace")
	require.Equal(t, "PENDING", b.send(own, http.MethodGet, "/api/v1/items/"+id, nil).object(http.StatusOK)["status"])
}

func TestWhatFailedIsRetriedOrReplayed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	unstarted, ran := b.enqueue(), b.enqueue()
	b.failed(unstarted, false)
	b.failed(ran, true)
	retried := b.send("", http.MethodPost, "/api/v1/items/retry", object{"failedFor": "start-failed"}).object(http.StatusOK)
	require.EqualValues(t, 1, retried["done"])
	require.Equal(t, "PENDING", b.send("", http.MethodGet, "/api/v1/items/"+unstarted, nil).object(http.StatusOK)["status"])
	replayed := b.send("", http.MethodPost, "/api/v1/items/replay", object{"ids": []string{ran, unstarted}}).object(http.StatusOK)
	require.EqualValues(t, 1, replayed["done"])
	again := b.send("", http.MethodGet, "/api/v1/items/"+ran, nil).object(http.StatusOK)["replayedAs"].(string)
	require.Equal(t, ran, b.send("", http.MethodGet, "/api/v1/items/"+again, nil).object(http.StatusOK)["replayOf"])
	require.EqualValues(t, 0, b.send("", http.MethodPost, "/api/v1/items/replay", object{"ids": []string{ran}}).object(http.StatusOK)["done"], "once")
}

func TestAWorkspaceIsDeletedWithAllThatThereIsOfIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueue()
	path := "/api/v1/workspaces/" + b.workspace.String()
	counted := b.send("", http.MethodDelete, path+"?dryRun=true", nil).object(http.StatusOK)
	require.EqualValues(t, 1, counted["pending"])
	b.send("", http.MethodGet, path, nil).object(http.StatusOK)
	b.send("", http.MethodDelete, path+"?grace=1h", nil).problem(http.StatusUnprocessableEntity, "invalid")
	require.EqualValues(t, 1, b.send("", http.MethodDelete, path+"?grace=0", nil).object(http.StatusOK)["pending"])
	b.send("", http.MethodGet, path, nil).problem(http.StatusNotFound, "unknown-workspace")
	b.send("", http.MethodDelete, path+"?dryRun=true", nil).problem(http.StatusNotFound, "unknown-workspace")
	b.send("", http.MethodDelete, path, nil).problem(http.StatusNotFound, "unknown-workspace")
}

func TestOnlyOneRequestOfATokenChangesManyItemsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE sluice.pending IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	done := make(chan reply, 1)
	go func() { done <- b.send(own, http.MethodPost, "/api/v1/items/cancel", object{"ids": []string{id}}) }()
	require.Eventually(t, func() bool {
		var waits bool
		err := b.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'sluice.pending'::regclass
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits)
		return err == nil && waits
	}, time.Minute, 10*time.Millisecond)
	b.send(own, http.MethodPost, "/api/v1/items/terminate", object{"all": true}).problem(http.StatusTooManyRequests, "too-many")
	b.send(b.token(admin.RoleOperatorWrite, uuid.Nil, false), http.MethodPost, "/api/v1/items/terminate", object{"all": true}).object(http.StatusOK)
	require.NoError(t, tx.Rollback(t.Context()))
	require.EqualValues(t, 1, (<-done).object(http.StatusOK)["done"])
	b.send(own, http.MethodPost, "/api/v1/items/terminate", object{"all": true}).object(http.StatusOK)
}
