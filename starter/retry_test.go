package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// failed enqueues an item whose start fails for good.
func failed(t *testing.T, c cli, args ...string) string {
	t.Helper()
	id := c.enqueue(args...)
	fence := claim(t, c)
	_, err := c.queue().Requeue(t.Context(), fence, []queue.FailedStart{
		{ExecutionID: uuid.MustParse(id), Reason: "definition-gone", Error: "workflow definition x no longer exists", Permanent: true},
	}, queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Hour, MaxBackoff: time.Hour})
	require.NoError(t, err)
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

	require.Equal(t, "1 item retried\n", c.ok("retry", "execution-"+id))
	described := c.object("describe", id)
	require.Equal(t, "PENDING", described["status"])
	story := described["activity"].([]any)
	last := story[len(story)-1].(map[string]any)
	require.Equal(t, "retried", last["action"])
	require.Equal(t, "starter:ann", last["actor"])
	require.Equal(t, "definition-gone", last["reason"])

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
	require.Equal(t, "1 item retried\n", c.ok("retry", "--workspace", workspace, "--reason", "definition-gone", "--limit", "7"))

	_, err := c.queue().Cancel(t.Context(), uuid.MustParse(id), "ann", "")
	require.NoError(t, err)
	_, err = c.queue().Pool().Exec(t.Context(), `UPDATE sluice.refused_items SET status = 'FAILED', expires_at = now()`)
	require.NoError(t, err)
	require.Equal(t, "0 items retried; 1 item left FAILED: the expiry has passed\n", c.ok("retry", "--all"))
	require.Equal(t, map[string]any{"retried": 0.0, "expired": 1.0}, c.object("retry", "--all"))
}
