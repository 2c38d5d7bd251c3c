package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Everything in this file works while Temporal is down.

func TestEnqueueAWorkflow(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace := c.object("workspace", "create", "Acme Inc.", "--plan", "PRO", "--key", "acme")["id"].(string)
	file := filepath.Join(t.TempDir(), "order.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"order": 4711}`), 0o600))
	answer := c.object("enqueue", "--workspace", "acme", "--type", "SendInvoice", "--task-queue", "invoices", "--arg", "@"+file, "--arg", "42",
		"--workflow-id", "invoice-4711", "--options", `{"executionTimeout": "2h"}`, "--on-conflict", "wait", "--priority", "1", "--unique-key", "4711")
	require.Equal(t, "QUEUED", answer["status"])
	require.Equal(t, "invoice-4711", answer["workflowId"])
	id := answer["queueId"].(string)
	described := c.object("describe", id)
	require.Equal(t, workspace, described["workspaceId"])
	require.Equal(t, "SendInvoice", described["workflowType"])
	require.Equal(t, "invoices", described["taskQueue"])
	require.Equal(t, "invoice-4711", described["workflowId"])
	require.Equal(t, []any{map[string]any{"order": 4711.0}, 42.0}, described["input"])
	require.NotContains(t, described, "workflowDefinitionId")
	requireGolden(t, "describe_workflow", masked(c.ok("describe", id)))
	var options string
	require.NoError(t, c.pool().QueryRow(t.Context(), `SELECT input ->> 'options' FROM sluice.pending`).Scan(&options))
	require.JSONEq(t, `{"executionTimeout": "2h", "onConflict": "wait"}`, options)

	many := c.object("enqueue", "--workspace", workspace, "--type", "Ping", "--count", "1200", "--delay", "1h")
	require.Len(t, many["queueIds"], 1200)
	ping, err := queue.New(c.pool()).Get(t.Context(), uuid.MustParse(many["queueId"].(string)))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), ping.AvailableAt, time.Minute)
	require.Equal(t, "workflow.workspace."+workspace, *ping.TaskQueue)
	require.JSONEq(t, "[]", string(ping.Input))

	require.Len(t, c.array("list", "--type", "SendInvoice", "--workspace", "acme"), 1)
	require.Len(t, c.array("list", "--type", "Ping"), 50)
	require.Empty(t, c.array("list", "--type", "Nobody"))
	requireGolden(t, "list_workflow", masked(c.ok("list", "--type", "SendInvoice")))
	requireGolden(t, "enqueue_workflow", masked(c.ok("enqueue", "--workspace", "acme", "--type", "SendInvoice")))
	c.ok("cancel", id)
	require.Equal(t, "CANCELLED", c.array("list", "--type", "SendInvoice", "--status", "CANCELLED")[0]["status"])
	require.Equal(t, id, c.array("list", "--workflow-id", "invoice-4711")[0]["id"])
	require.Len(t, c.array("list", "--workflow-id", "execution-"+ping.ID.String(), "--workspace", "acme"), 1)
	require.Empty(t, c.array("list", "--workflow-id", "invoice-4711", "--status", "PENDING"))
}

// The first enqueue for a workspace creates it, if the deployment allows that, and by the platform's key or id.
func TestWorkspacesWithoutRegistration(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	require.Contains(t, c.ok("limits", "set", "--auto-create-plan", "starter", "--task-queue-template", "tenant-{workspace}"),
		"auto-create plan     STARTER\ntask queue template  tenant-{workspace}\n")
	c.ok("enqueue", "--workspace", "acme", "--type", "SendInvoice")
	other := uuid.NewString()
	c.ok("enqueue", "--workspace", other, "--type", "SendInvoice")
	c.ok("enqueue", "--workspace", "acme", "--type", "SendInvoice")
	list := c.array("workspace", "list")
	require.Len(t, list, 2)
	keys := map[any]any{}
	for _, w := range list {
		keys[w["name"]] = w["externalKey"]
		require.Equal(t, "STARTER", w["plan"])
		require.Equal(t, "tenant-"+w["id"].(string), c.array("list", "--workspace", w["id"].(string))[0]["taskQueue"])
	}
	require.Equal(t, map[any]any{"acme": "acme", other: nil}, keys)
	require.Contains(t, c.ok("workspace", "set", other, "--key", "globex"), ", key globex")
	shown := c.ok("workspace", "list")
	require.Regexp(t, `^WORKSPACE +NAME +KEY +PLAN `, shown)
	require.Regexp(t, ` acme +acme +STARTER `, shown)
	require.Equal(t, "workspace acme is now on plan PRO\n", c.ok("workspace", "set-plan", "acme", "PRO"))
	require.Contains(t, c.run("workspace", "set", "acme", "--key", "globex").stderr, "another workspace has this key already")
	c.ok("workspace", "delete", "globex", "--yes")
	require.Contains(t, c.ok("limits", "set", "--auto-create-plan", "none"), "none: workspaces are created beforehand")
	require.Equal(t, exitUsage, c.run("enqueue", "--workspace", "globex", "--type", "SendInvoice").code)
}

func TestWait(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	c.ok("workspace", "create", "Acme Inc.", "--key", "acme")
	enqueue := func() string {
		return c.object("enqueue", "--workspace", "acme", "--type", "SendInvoice")["queueId"].(string)
	}
	end := func(id, status, result, failed string) {
		c.exec(`WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
			INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at,
				claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id, output, error)
			SELECT id, workspace_id, workflow_type, task_queue, $2, priority, attempt_count, created_at, available_at,
				now(), now(), now() + interval '1 second', trigger_type, enqueued_by, 'run', nullif($3, '')::jsonb, nullif($4, '')::jsonb FROM gone`, id, status, result, failed)
	}
	completed := enqueue()
	end(completed, "COMPLETED", `{"invoice": 7}`, "")
	require.Equal(t, "COMPLETED "+completed+", ran 1s\n{\"invoice\": 7}\n", c.ok("wait", completed))
	require.Equal(t, map[string]any{"invoice": 7.0}, c.object("wait", completed)["output"])

	failed := enqueue()
	end(failed, "FAILED", "", `{"message": "no stock"}`)
	out := c.run("wait", failed)
	require.Equal(t, exitFailed, out.code)
	require.Equal(t, "FAILED "+failed+", ran 1s\nno stock\n", out.stdout)
	require.Empty(t, out.stderr)

	cancelled := enqueue()
	c.ok("cancel", cancelled)
	out = c.run("wait", cancelled)
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stdout, "CANCELLED "+cancelled)

	out = c.run("wait", enqueue(), "--timeout", "300ms")
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stderr, "gave up after 300ms; --timeout allows more")
	require.Empty(t, out.stdout)
}
