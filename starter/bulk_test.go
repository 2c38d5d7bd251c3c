package main

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
	"sluice/internal/store"
)

// shipments enqueues so many workflows of type Ship for a workspace.
func (c cli) shipments(workspace string, n int) (ids []string) {
	c.t.Helper()
	for range n {
		ids = append(ids, c.object("enqueue", "--workspace", workspace, "--type", "Ship", "--task-queue", "ships")["queueId"].(string))
	}
	return ids
}

func TestManyAreCancelledAfterAPreviewAndAYes(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	workspace, definition := c.workspace()
	kept := c.object("enqueue", "--workspace", workspace, "--definition", definition)["queueId"].(string)
	ids := c.shipments(workspace, 4)
	require.Equal(t, "4 items to cancel: 4 PENDING\n", c.ok("cancel", "--workspace", workspace, "--type", "Ship", "--dry-run"))
	require.EqualValues(t, 4, c.object("cancel", "--type", "Ship", "--dry-run")["total"])
	for _, answer := range []string{"", "n\n", "what?\n"} {
		c.stdin = answer
		out := c.run("cancel", "--type", "Ship")
		require.Equal(t, exitUsage, out.code)
		require.Contains(t, out.stderr, "4 items to cancel: 4 PENDING. Go ahead? [y/N] ")
		require.Contains(t, out.stderr, "nothing was done")
	}
	out := c.run("cancel", "--type", "Ship", "--json")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "say --yes to go ahead")
	require.Equal(t, "2 items cancelled before they started, 0 executions asked to cancel\n", c.ok("cancel", ids[0], ids[1], "--reason", "mistake"), "what is named need not be asked for")
	c.stdin = "y\n"
	require.Equal(t, "2 items cancelled before they started, 0 executions asked to cancel\n", c.ok("cancel", "--type", "Ship", "--reason", "mistake"))
	require.Equal(t, "0 items cancelled before they started, 0 executions asked to cancel\n", c.ok("cancel", "--type", "Ship"))
	require.Equal(t, "PENDING", c.object("describe", kept)["status"])
	require.Equal(t, []string{"4"}, c.texts(`SELECT count(*)::text FROM sluice.activity WHERE action = 'cancelled' AND actor = 'starter:ann' AND details ->> 'error' = 'mistake'`))

	for want, args := range map[string][]string{
		"say what to cancel: ids, a filter": {},
		"give ids or a filter, not both":    {ids[0], "--type", "Ship"},
		"--force is for a single item":      {"--all", "--force"},
		"unknown --status \"ended\"":        {"--status", "ended"},
		"--older-than must be a duration":   {"--older-than", "-1h"},
		"--error must not be empty":         {"--error", ""},
		"is not a definition id":            {"--definition", "x"},
		"0000\" is not a definition id":     {"--definition", uuid.Nil.String()},
		"[all workspace] are set":           {"--all", "--workspace", workspace},
		"[type definition] are set":         {"--type", "Ship", "--definition", definition},
	} {
		out := c.run(append([]string{"cancel"}, args...)...)
		require.Equal(t, exitUsage, out.code, want)
		require.Contains(t, out.stderr, want)
	}
}

// What a named item is is said where nothing is done to it.
func TestANamedItemToWhichNothingCanBeDoneIsAnError(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, _ := c.workspace()
	ids := c.shipments(workspace, 2)
	c.ok("cancel", ids[0])
	for _, command := range []string{"terminate", "replay", "reprioritize --priority 1"} {
		words := strings.Fields(command)
		out := c.run(append(words, ids[0])...)
		require.Equal(t, exitFailed, out.code, command)
		require.Contains(t, out.stderr, "item "+ids[0]+" is CANCELLED: starter "+words[0]+" is for what is", command)
		require.Equal(t, exitNotRunning, c.run(append(words, uuid.NewString())...).code, command)
	}
	for _, command := range []string{"cancel", "terminate", "replay", "retry", "reprioritize --priority 1"} {
		words := strings.Fields(command)
		for _, id := range []string{ids[0], uuid.NewString()} {
			require.Equal(t, c.run(append(words, id)...).code, c.run(append(words, id, "--dry-run")...).code, "a dry run of %s is refused as it is", command)
		}
	}
	out := c.run("reprioritize", "--priority", "1", ids[0], ids[1])
	require.Equal(t, exitOK, out.code)
	require.Equal(t, "1 item changed\n", out.stdout)
	require.Contains(t, out.stderr, "1 of 2 items left alone: not PENDING")
	require.Equal(t, "0 items changed; 1 left as before: it is so already, has started, or would expire\n", c.ok("reprioritize", "--priority", "1", ids[1]))
}

func TestManyThatRunAreTerminated(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	id := uuid.MustParse(c.enqueue())
	claim(t, c)
	run := startExecution(t, c, id)
	require.NoError(t, store.Settle(t.Context(), c.pool(), []store.Started{{ExecutionID: id, RunID: run.GetRunID()}}))
	require.Equal(t, "1 item to terminate\n", c.ok("terminate", "--all", "--dry-run"))
	require.Equal(t, "1 execution terminated; Recovery frees their slots within seconds\n", c.ok("terminate", "--older-than", "0s", "--yes"))
	require.ErrorContains(t, run.Get(t.Context(), nil), "terminated")
}

func TestReplayShowsWhichItemReplaysWhich(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, _ := c.workspace()
	ids := c.shipments(workspace, 2)
	c.exec(`WITH gone AS (DELETE FROM sluice.pending RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, error, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, engine_run_id, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_type, task_queue, 'FAILED', '{"message": "the mail server is down"}', priority, 0, created_at, available_at, now(), now(), 'run', trigger_type, enqueued_by, input FROM gone`)
	require.Equal(t, "2 items to replay: 2 FAILED\n", c.ok("replay", "--error", "MAIL server", "--dry-run"))
	require.Equal(t, "1 execution replayed\n", c.ok("replay", ids[0], "--reason", "mended"))
	require.Equal(t, "1 execution replayed\n", c.ok("replay", "--status", "failed", "--type", "Ship", "--yes"), "the other is replayed already")
	first := c.object("describe", ids[0])
	second := c.object("describe", first["replayedAs"].(string))
	require.Equal(t, ids[0], second["replayOf"])
	require.Equal(t, "Ship", second["workflowType"])
	require.Contains(t, c.ok("describe", first["replayedAs"].(string)), "replay of   "+ids[0])
	require.EqualValues(t, 0, c.object("replay", "--all", "--yes")["done"])
}

func TestReprioritize(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, _ := c.workspace()
	ids := c.shipments(workspace, 3)
	require.Equal(t, "1 item changed\n", c.ok("reprioritize", ids[0], "--priority", "1"))
	require.EqualValues(t, 1, c.object("describe", ids[0])["priority"])
	require.Equal(t, "3 items changed\n", c.ok("reprioritize", "--workspace", workspace, "--in", "8h", "--yes", "--reason", "at night"))
	require.Equal(t, "scheduled", c.object("describe", ids[1])["reason"])
	require.Equal(t, "3 items changed\n", c.ok("reprioritize", "--type", "Ship", "--in", "0s", "--yes"))
	require.NotEqual(t, "scheduled", c.object("describe", ids[1])["reason"])
	moment := c.object("reprioritize", "--all", "--in", "1h", "--yes")["selected"].(map[string]any)["moment"].(string)
	c.shipments(workspace, 1)
	require.EqualValues(t, 0, c.object("reprioritize", "--all", "--in", "1h", "--as-of", moment, "--yes")["done"], "to go on changes neither what is done nor what came later")
	for want, args := range map[string][]string{
		"--as-of must be a time":          {"--all", "--priority", "2", "--as-of", "noon"},
		"at least one of the flags":       {ids[0]},
		"priority must be 1 (first) to 5": {ids[0], "--priority", "6"},
		"--at must be a time like":        {ids[0], "--at", "noon"},
		"at most ten years ahead":         {ids[0], "--in", "9999d"},
	} {
		out := c.run(append([]string{"reprioritize"}, args...)...)
		require.Equal(t, exitUsage, out.code, want)
		require.Contains(t, out.stderr, want)
	}
	require.True(t, strings.HasPrefix(c.ok("reprioritize", "--all", "--priority", "2", "--dry-run"), "4 items to reprioritize"))
}
