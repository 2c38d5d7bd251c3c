package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/operate/operatetest"
	"sluice/queue"
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
	require.Equal(t, "parked", status["dispatcher"].(map[string]any)["phase"])
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

	story, err := c.queue().Pool().Query(t.Context(), `SELECT FROM sluice.activity_log WHERE action = 'dispatcher-start' AND actor = 'starter:ann'`)
	require.NoError(t, err)
	story.Close()
	require.EqualValues(t, 1, story.CommandTag().RowsAffected(), "one start has started something")
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

func TestStartNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	delete(c.env, "DATABASE_URL")
	require.Contains(t, c.ok("start"), "dispatcher started")
}

func TestCancelWaiting(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	id := c.enqueue()
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
	require.NoError(t, c.queue().Settle(t.Context(), []queue.Started{{ExecutionID: id, RunID: run.GetRunID()}}))

	result := c.object("cancel", id.String(), "--reason", "mistake")
	require.Equal(t, "CANCEL_REQUESTED", result["status"])
	require.ErrorContains(t, run.Get(t.Context(), nil), "canceled")
	story, err := c.queue().ItemActivity(t.Context(), id)
	require.NoError(t, err)
	last := story[len(story)-1]
	require.Equal(t, "cancel-requested", last.Action)
	require.Equal(t, "mistake", *last.Reason)

	_, err = c.queue().RecordOutcome(t.Context(), queue.Outcome{ExecutionID: id, Status: "CANCELLED", RunID: run.GetRunID()})
	require.NoError(t, err)
	out := c.run("cancel", id.String())
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stderr, "has already ended: it is cancelled")
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
	fence := claim(t, c)
	done := make(chan outcome, 1)
	go func() { done <- c.run("cancel", id.String(), "--json") }()
	_, err := c.queue().Requeue(t.Context(), fence, []queue.FailedStart{{ExecutionID: id, Reason: "start-failed", Error: "no"}},
		queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour})
	require.NoError(t, err)
	out := <-done
	require.Zero(t, out.code, out.stderr)
	require.Contains(t, out.stdout, `"status": "CANCELLED"`)
}

// claim takes what waits, as the dispatcher would.
func claim(t *testing.T, c cli) queue.Fence {
	t.Helper()
	q := c.queue()
	capacity, err := q.Capacity(t.Context(), 10)
	require.NoError(t, err)
	epoch, err := q.OpenEpoch(t.Context(), 0, "run")
	require.NoError(t, err)
	fence := queue.Fence{Epoch: epoch, Cycle: 1}
	var grants []queue.Grant
	for _, w := range capacity.Workspaces {
		grants = append(grants, queue.Grant{WorkspaceID: w.WorkspaceID, Slots: 1, Limit: w.Limit})
	}
	claimed, err := q.Claim(t.Context(), fence, grants)
	require.NoError(t, err)
	require.Equal(t, 1, claimed.New)
	return fence
}

func startExecution(t *testing.T, c cli, id uuid.UUID) client.WorkflowRun {
	t.Helper()
	run, err := c.temporal().ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{
		ID: workflows.ExecutionID(id), TaskQueue: workflows.TaskQueueDefault,
	}, workflows.ExecutionType)
	require.NoError(t, err)
	return run
}
