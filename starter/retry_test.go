package main

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

// failed enqueues an item whose start fails for good.
func failed(t *testing.T, c cli, args ...string) string {
	t.Helper()
	id := c.enqueue(args...)
	turn := claim(t, c)
	requeue(t, c, turn+1, store.FailedStart{
		ExecutionID: uuid.MustParse(id), Reason: "definition-gone", Error: "workflow definition x no longer exists", Permanent: true,
	})
	return id
}

func TestRetry(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	id := failed(t, c)
	listed := c.array("list", "--status", "FAILED")
	require.Len(t, listed, 1)
	require.Equal(t, "definition-gone", listed[0]["reason"])
	require.Contains(t, c.ok("list", "--status", "FAILED"), "definition-gone: workflow definition x no longer exists")

	require.Equal(t, "1 item retried\n", c.ok("retry", "execution-"+id, "--why", "the schema is mended"))
	described := c.object("describe", id)
	require.Equal(t, "PENDING", described["status"])
	activity := described["activity"].([]any)
	last := activity[len(activity)-1].(map[string]any)
	require.Equal(t, "retried", last["action"])
	require.Equal(t, "starter:ann", last["actor"])
	require.Equal(t, "definition-gone", last["reason"])
	require.Equal(t, "the schema is mended", last["details"].(map[string]any)["why"])

	again := c.run("retry", id)
	require.Equal(t, exitUsage, again.code)
	require.Equal(t, "error: retry items: item "+id+" is PENDING, not FAILED\n", again.stderr)
	require.Equal(t, map[string]any{"retried": 0.0, "expired": 0.0}, c.object("retry", "--all"))
}

func TestRetryByFilter(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	id := failed(t, c)
	workspace := c.object("describe", id)["workspaceId"].(string)
	require.Equal(t, "0 items retried\n", c.ok("retry", "--workspace", uuid.NewString()))
	require.Equal(t, "0 items retried\n", c.ok("retry", "--reason", "start-failed"))
	require.Equal(t, "1 item retried\n", c.ok("retry", "--workspace", workspace, "--reason", "definition-gone", "--limit", "7", "--yes"))

	out := c.run("retry", id, "--as-of", "2026-11-29T18:00:00Z")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "--as-of is for a filter")

	c.ok("cancel", id)
	c.exec(`UPDATE sluice.ended SET status = 'FAILED', expires_at = now()`)
	require.Equal(t, "0 items retried; 1 item left FAILED: the expiry has passed\n", c.ok("retry", "--all"))
	require.Equal(t, map[string]any{"retried": 0.0, "expired": 1.0}, c.object("retry", "--all"))
}
