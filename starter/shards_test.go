package main

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

func TestShardsFromStartToStop(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	require.NotContains(t, c.object("start", "--batch-size", "64"), "others", "one is as it always was")
	c.ok("pause", "--reason", "lunch")

	started := c.object("start", "--shards", "3")
	require.Equal(t, true, started["alreadyRunning"])
	others := started["others"].([]any)
	require.Len(t, others, 2)
	require.Equal(t, "sluice-dispatcher/2", others[1].(map[string]any)["workflowId"])
	require.Equal(t, false, others[1].(map[string]any)["alreadyRunning"])
	for _, other := range c.object("status")["others"].([]any) {
		status := other.(map[string]any)["dispatcher"].(map[string]any)
		require.Equal(t, "lunch", status["pause"].(map[string]any)["reason"], "a new one takes the pause over")
		require.EqualValues(t, 64, status["tunables"].(map[string]any)["batchSize"], "and the tunables")
	}

	require.Equal(t, "dispatcher resumed\n", c.ok("resume"))
	require.Len(t, c.object("configure", "--batch-size", "32")["others"], 2)
	for _, other := range c.object("status")["others"].([]any) {
		status := other.(map[string]any)["dispatcher"].(map[string]any)
		require.NotContains(t, status, "pause")
		require.EqualValues(t, 32, status["tunables"].(map[string]any)["batchSize"])
	}
	refused := c.run("resume")
	require.Equal(t, exitUsage, refused.code)
	require.Contains(t, refused.stderr, "not paused")

	require.Equal(t, "dispatcher stopped\n", c.ok("stop"))
	out := c.run("status", "--json")
	require.Equal(t, exitNotRunning, out.code)
	require.Contains(t, out.stdout, `"shard": 2`)
	require.Len(t, c.object("start")["others"], 2, "how many there are is stored")
	fewer := c.object("start", "--shards", "1")
	require.Equal(t, []any{1.0, 2.0}, fewer["ending"])
	require.Contains(t, c.ok("start"), "dispatcher ends by itself (workflow sluice-dispatcher/1)\n")
}

func TestShardsNeedADatabase(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	delete(c.env, "DATABASE_URL")
	out := c.run("start", "--shards", "2")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "no database given")

}

// Without a worker it is not known whether the system is paused; a dispatcher that is not must not be added to it.
func TestShardsAreNotAddedToADispatcherThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	c.ok("start")
	out := c.run("start", "--shards", "2")
	require.Equal(t, exitNotRunning, out.code)
	require.Contains(t, out.stderr, "take over the pause and the tunables of sluice-dispatcher: ")
	n, err := catalog.Shards(t.Context(), c.pool())
	require.NoError(t, err)
	require.Equal(t, 1, n, "nothing has changed")
}

// A dispatcher that was told that its shard is gone ends although the shard has come back; it gets a successor.
func TestAShardThatComesBackGetsADispatcherThatStays(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	run := c.object("start", "--shards", "2")["others"].([]any)[0].(map[string]any)["runId"].(string)
	pool := c.pool()
	_, err := store.TakeOver(t.Context(), pool, 1, run, 1)
	require.NoError(t, err)
	require.NoError(t, catalog.SetShards(t.Context(), pool, 1, "ann"))
	retired, err := catalog.Retire(t.Context(), pool, 1, run)
	require.NoError(t, err)
	require.True(t, retired)
	done := make(chan map[string]any, 1)
	go func() { done <- c.object("start", "--shards", "2") }()
	require.Eventually(t, func() bool { n, err := catalog.Shards(t.Context(), pool); return err == nil && n == 2 }, time.Minute, 10*time.Millisecond)
	require.NoError(t, c.temporal().TerminateWorkflow(t.Context(), workflows.ShardID(1), run, "stands for its end"))
	successor := (<-done)["others"].([]any)[0].(map[string]any)
	require.Equal(t, false, successor["alreadyRunning"])
	require.NotEqual(t, run, successor["runId"])
}

func TestTheLinkOfAShardIsOnePathSegment(t *testing.T) {
	t.Parallel()
	a := &app{config: config{UIURL: "http://localhost:8233"}}
	a.config.Temporal.Namespace = "default"
	link := a.workflowLink(workflows.ShardID(3), "")
	require.Equal(t, "http://localhost:8233/namespaces/default/workflows/sluice-dispatcher%2F3", link)
	parsed, err := url.Parse(link)
	require.NoError(t, err)
	require.Equal(t, "/namespaces/default/workflows/sluice-dispatcher/3", parsed.Path)
}
