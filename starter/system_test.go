package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/devstack/devtest"
	"sluice/internal/operate/operatetest"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

func TestDispatcherFromStartToStop(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("workspace", "create", "acme", "--plan", "PRO")

	for _, command := range []string{"stop", "pause", "resume"} {
		out := c.run(command)
		require.Equal(t, exitNotRunning, out.code)
		require.Contains(t, out.stderr, "the dispatcher is not running; start it with: starter start")
	}

	started := c.object("start", "--batch-size", "64")
	require.Equal(t, false, started["alreadyRunning"])
	again := c.run("start", "--spin", "2s")
	require.Zero(t, again.code)
	require.Equal(t, "dispatcher already running (workflow sluice-dispatcher, run "+started["runId"].(string)+")\n", again.stdout)
	require.Contains(t, again.stderr, "its tunables have not been changed")

	status := c.object("status")
	require.Equal(t, "waiting", status["dispatcher"].(map[string]any)["phase"])
	require.Len(t, status["workspaces"], 1)
	require.NotContains(t, status, "dispatcherError")
	requireGolden(t, "status", masked(c.ok("status")))

	require.Equal(t, "dispatcher paused\n", c.ok("pause", "--reason", "lunch"))
	pause := c.object("status")["dispatcher"].(map[string]any)["pause"].(map[string]any)
	require.Equal(t, "starter:ann", pause["actor"])
	require.Equal(t, "lunch", pause["reason"])
	refused := c.run("pause")
	require.Equal(t, exitUsage, refused.code)
	require.Equal(t, "error: pause: already paused by starter:ann\n", refused.stderr)
	require.Equal(t, "dispatcher resumed\n", c.ok("resume"))
	require.Contains(t, c.ok("configure", "--batch-size", "256"), "dispatcher configured: batch size 256, ")

	require.Equal(t, "dispatcher stopped\n", c.ok("stop", "--reason", "done"))
	_, err := c.temporal().ScheduleClient().GetHandle(t.Context(), workflows.RecoveryScheduleID).Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, exitNotRunning, c.run("stop", "--all").code)
	_, err = c.temporal().ScheduleClient().GetHandle(t.Context(), workflows.RecoveryScheduleID).Describe(t.Context())
	require.Error(t, err)

	var starts int
	require.NoError(t, c.pool().QueryRow(t.Context(),
		`SELECT count(*) FROM sluice.activity_log WHERE action = 'dispatcher-start' AND actor = 'starter:ann'`).Scan(&starts))
	require.Equal(t, 1, starts, "one start has started something")
}

// Without recovery nobody finds out how a workflow has ended that does not say it itself.
func TestStoppingRecoveryTellsWhatStillHoldsSlots(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	c.enqueue()
	require.NotContains(t, c.run("stop", "--all").stderr, "note:", "what waits holds none")
	c.ok("start")
	claim(t, c)
	require.NotContains(t, c.run("stop").stderr, "note:", "recovery goes on")
	out := c.run("stop", "--all")
	require.Equal(t, exitNotRunning, out.code)
	require.Contains(t, out.stderr, "note: 1 execution still holds a slot, and without recovery")
}

func TestStatusWithoutDispatcher(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	out := c.run("status")
	require.Equal(t, exitNotRunning, out.code)
	require.Contains(t, out.stdout, "the dispatcher is not running")
	require.Contains(t, out.stdout, "no workspaces")
	require.Empty(t, out.stderr)

	c.ok("start")
	out = c.run("status", "--json")
	require.Equal(t, exitNotRunning, out.code)
	require.JSONEq(t, `{"dispatcher": null, "workspaces": [],
		"dispatcherError": "no worker answers on task queue workflows.default; run the worker"}`, out.stdout)
}

func TestStatusWithoutTemporal(t *testing.T) {
	t.Parallel()
	out := onPostgres(t).run("status")
	require.Equal(t, exitUnreachable, out.code)
	require.Contains(t, out.stdout, "dispatcher  cannot use Temporal at 127.0.0.1:1: connection refused")
	require.Contains(t, out.stdout, "no workspaces")
}

func TestANamespaceThatIsNotTheDatabasesIsRefused(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	home := c.env["TEMPORAL_NAMESPACE"]
	require.Contains(t, c.ok("start"), "dispatcher started")
	_, c.env["TEMPORAL_NAMESPACE"] = devtest.Namespace(t, nil)
	for _, command := range [][]string{{"start"}, {"status"}, {"audit"}, {"pause"}, {"stop"}, {"configure", "--batch-size", "9"}} {
		out := c.run(command...)
		require.Equal(t, exitUnreachable, out.code, "%s: %s", command[0], out.stderr)
		require.Contains(t, out.stdout+out.stderr, home, command[0])
		require.Contains(t, out.stdout+out.stderr, c.env["TEMPORAL_NAMESPACE"], command[0])
	}
	c.enqueue()
	claim(t, c)
	out := c.run("start", "--move")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "executions still run; let them end there, or move all the same with --abandon")
	require.Contains(t, c.ok("start", "--move", "--abandon"), "dispatcher started")
	require.Contains(t, c.ok("start"), "already running")
	require.Equal(t, exitUsage, c.run("start", "--abandon").code)
}

func TestCancelWaiting(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	id := c.enqueue()
	require.Contains(t, c.ok("cancel", id, "--as-of", "2026-01-01T00:00:00Z"), "0 items cancelled before they started", "it came later")
	require.Equal(t, id+": cancelled before it started\n", c.ok("cancel", id, "--reason", "mistake"))
	described := c.object("describe", id)
	require.Equal(t, "CANCELLED", described["status"])

	again := c.run("cancel", id)
	require.Equal(t, exitFailed, again.code)
	require.Equal(t, "error: item "+id+" has already ended: it is cancelled\n", again.stderr)
}

func TestCancelRunning(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	id := uuid.MustParse(c.enqueue())
	claim(t, c)
	run := startExecution(t, c, id)
	require.NoError(t, store.Settle(t.Context(), c.pool(), []store.Started{{ExecutionID: id, RunID: run.GetRunID()}}))

	result := c.object("cancel", id.String(), "--reason", "mistake")
	require.Equal(t, "CANCEL_REQUESTED", result["status"])
	require.ErrorContains(t, run.Get(t.Context(), nil), "canceled")
	activity, err := facts.ItemActivity[facts.Activity](t.Context(), c.pool(), id)
	require.NoError(t, err)
	last := activity[len(activity)-1]
	require.Equal(t, "cancel-requested", last.Action)
	require.Equal(t, "mistake", *last.Reason)

	_, err = store.RecordOutcome(t.Context(), c.pool(), store.Outcome{ExecutionID: id, Status: "CANCELLED", RunID: run.GetRunID()})
	require.NoError(t, err)
	out := c.run("cancel", id.String())
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stderr, "has already ended: it is cancelled")
}

func TestCancelTellsWhatItAwaitsAndWhenThatEnds(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	id := uuid.MustParse(c.enqueue())
	claim(t, c)
	run := startExecution(t, c, id) // and no worker takes its task
	require.NoError(t, store.Settle(t.Context(), c.pool(), []store.Started{{ExecutionID: id, RunID: run.GetRunID()}}))
	first := c.object("cancel", id.String())
	require.Equal(t, "CANCEL_REQUESTED", first["status"])
	require.Contains(t, first["message"], "it waits for a worker on task queue")
	require.NotEmpty(t, first["terminatedAt"])
	again := c.object("cancel", id.String())
	require.Equal(t, first["askedAt"], again["askedAt"], "the first request counts")
	require.Equal(t, first["terminatedAt"], again["terminatedAt"])

	require.Equal(t, "TERMINATED", c.object("cancel", id.String(), "--force", "--reason", "enough")["status"])
	require.ErrorContains(t, run.Get(t.Context(), nil), "terminated")
	activity, err := facts.ItemActivity[facts.Activity](t.Context(), c.pool(), id)
	require.NoError(t, err)
	require.Equal(t, "terminate-requested", activity[len(activity)-1].Action)
}

func TestWhatNoWorkerCarriesOnIsShownWithItsError(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	id := uuid.MustParse(c.enqueue())
	claim(t, c)
	require.NoError(t, store.Settle(t.Context(), c.pool(), []store.Started{{ExecutionID: id, RunID: "run"}}))
	const what = "its workflow task fails (attempt 7): unable to find workflow type: Nope"
	_, err := store.Checked(t.Context(), c.pool(), []uuid.UUID{id}, map[uuid.UUID]store.Unserved{id: {For: time.Minute, What: what}})
	require.NoError(t, err)
	require.Equal(t, what, c.object("describe", id.String())["unserved"])
	require.Contains(t, c.ok("describe", id.String()), what)
	require.Equal(t, what, c.array("list")[0]["unserved"])
	require.Contains(t, c.ok("list"), "unserved for 1m")
	require.Contains(t, c.ok("list"), "its workflow task fails (attempt 7)")
	status := c.run("status") // the dispatcher does not run
	require.Contains(t, status.stdout, what)
	require.Contains(t, status.stdout, id.String())
}

func TestCancelWaitsForTheStart(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	id := uuid.MustParse(c.enqueue())
	claim(t, c)
	done := make(chan outcome, 1)
	go func() { done <- c.run("cancel", id.String(), "--json") }()
	run := startExecution(t, c, id)
	out := <-done
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, "CANCEL_REQUESTED")
	require.ErrorContains(t, run.Get(t.Context(), nil), "canceled")
}

func TestCancelFollowsAClaimBackIntoTheQueue(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	id := uuid.MustParse(c.enqueue())
	turn := claim(t, c)
	done := make(chan outcome, 1)
	go func() { done <- c.run("cancel", id.String(), "--json") }()
	requeue(t, c, turn+1, store.FailedStart{ExecutionID: id, Reason: "start-failed", Error: "no"})
	out := <-done
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, `"status": "CANCELLED"`)
}

// claim takes what is pending, as the dispatcher would, and returns the turn.
func claim(t *testing.T, c cli) (turn int64) {
	t.Helper()
	pool := c.pool()
	taken, err := store.TakeOver(t.Context(), pool, 0, "run", 1)
	require.NoError(t, err)
	ids, err := store.Values[uuid.UUID](t.Context(), pool, `SELECT id FROM sluice.pending ORDER BY id`)
	require.NoError(t, err)
	request := store.ClaimRequest{Turn: taken + 1, Items: ids, Versions: make([]uuid.UUID, len(ids)), Now: time.Now()}
	var claimed store.ClaimResult
	require.NoError(t, store.Send(t.Context(), pool, func(b *pgx.Batch) { store.QueueClaim(b, request, &claimed) }))
	require.Len(t, claimed.Items, 1)
	return request.Turn
}

// requeue undoes a claim, as the dispatcher would.
func requeue(t *testing.T, c cli, turn int64, failed store.FailedStart) {
	t.Helper()
	undone, taken, err := store.Requeue(t.Context(), c.pool(), 0, turn, []store.FailedStart{failed},
		store.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour})
	require.NoError(t, err)
	require.True(t, taken)
	require.Len(t, undone, 1)
}

func startExecution(t *testing.T, c cli, id uuid.UUID) client.WorkflowRun {
	t.Helper()
	run, err := c.temporal().ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{
		ID: workflows.ExecutionID(id), TaskQueue: workflows.TaskQueueDefault,
		TypedSearchAttributes: workflows.ExecutionAttributes(uuid.New(), "FREE", "x", id),
	}, workflows.ExecutionType)
	require.NoError(t, err)
	return run
}
