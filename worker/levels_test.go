package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/metric"
	"sluice/internal/store"
	"sluice/queue"
)

func TestMetricsShowWhatWaitsRunsAndIsPaused(t *testing.T) {
	t.Parallel()
	pool, err := store.Open(t.Context(), migrated(t), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	office, q := admin.New(pool), queue.New(pool)
	m, err := newMetrics()
	require.NoError(t, err)
	t.Cleanup(m.close)
	for n := range mostWorkspaces + 2 {
		w, err := office.CreateWorkspace(t.Context(), fmt.Sprint("w", n), "STARTER", "ann")
		require.NoError(t, err)
		for range n {
			_, err = q.Enqueue(t.Context(), queue.Item{WorkspaceID: w.ID, Workflow: &queue.Workflow{Type: "Order", TaskQueue: "orders"}})
			require.NoError(t, err)
		}
		if n == 0 {
			_, err = pool.Exec(t.Context(), `INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, unserved_since, trigger_type, enqueued_by)
				VALUES (sluice.uuid_v7(), $1, 'Order', 'q', 3, 0, 1, now(), now(), now(), now(), now(), 'x', 'shop')`, w.ID)
			require.NoError(t, err)
			_, err = office.Pause(t.Context(), admin.Scope{WorkspaceID: w.ID}, admin.Term{}, "ann", "")
			require.NoError(t, err)
		}
	}
	_, err = pool.Exec(t.Context(), `UPDATE sluice.pending SET available_at = now() - interval '1 hour' WHERE workspace_id = (SELECT id FROM sluice.workspaces WHERE name = 'w1')`)
	require.NoError(t, err)
	stop := m.showLevels(pool, slog.New(slog.DiscardHandler))
	lines := strings.Join(series(t, m, "sluice_"), "\n")
	for _, line := range []string{
		`sluice_items_pending{plan="STARTER"} 66`, `sluice_slots_held{plan="STARTER"} 1`, `sluice_slots_limit{plan="STARTER"} 60`, `sluice_workspaces{plan="STARTER"} 12`, `sluice_workspaces{plan="FREE"} 0`,
		`sluice_pauses{of="workspace"} 1`, `sluice_pauses{of="all"} 0`, `sluice_workspaces_unserved 1`, `sluice_starts_unanswered 0`,
	} {
		require.Contains(t, lines, line)
	}
	require.Regexp(t, `sluice_oldest_wait_seconds\{plan="STARTER"\} 36\d\d`, lines)
	require.Regexp(t, `sluice_workspace_oldest_wait_seconds\{workspace="\S+"\} 36\d\d`, lines)
	require.NotContains(t, lines, "sluice_slots_global_limit", "there is none")
	require.Len(t, series(t, m, "sluice_workspace_items_pending{"), mostWorkspaces, "whoever enqueues")
	stop()
	require.Empty(t, series(t, m, "sluice_items_pending"))
}

func TestWhatTakesLongToReadForMetricsIsReadMoreSeldom(t *testing.T) {
	t.Parallel()
	require.Equal(t, levelsFor, shownFor(0))
	require.Equal(t, levelsFor, shownFor(50*time.Millisecond))
	require.Equal(t, 20*time.Second, shownFor(time.Second))
	require.Equal(t, levelsMost, shownFor(levelsTimeout))
}

// What an item does is on the page of the worker that did it.
func TestTheMetricsOfAWorkerThatRuns(t *testing.T) {
	t.Parallel()
	stdout, stderr, _ := start(t, settings(func(c *config) {
		c.dev, c.devDir, c.http = true, filepath.Join(t.TempDir(), "dev"), address{hostPort: "127.0.0.1:0", explicit: true}
	}))
	require.Eventually(t, isReady(stdout), startPatience, 20*time.Millisecond)
	defer http.DefaultClient.CloseIdleConnections()
	base := regexp.MustCompile(`(http://\S+)/readyz`).FindStringSubmatch(stderr.String())[1]
	ask := func(method, path, body string) string {
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer response.Body.Close()
		raw, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Less(t, response.StatusCode, 300, string(raw))
		return string(raw)
	}
	id := func(answer, field string) string {
		var value map[string]any
		require.NoError(t, json.Unmarshal([]byte(answer), &value))
		return value[field].(string)
	}
	workspace := id(ask(http.MethodPost, "/api/v1/workspaces", `{"name": "acme", "plan": "PRO"}`), "id")
	definition := id(ask(http.MethodPost, "/api/v1/definitions", `{"workspace": "`+workspace+`", "graph": {"name": "greet", "nodes": [{"name": "a", "type": "noop"}]}}`), "id")
	item := id(ask(http.MethodPost, "/api/v1/items", `{"workspace": "`+workspace+`", "definition": "`+definition+`"}`), "queueId")
	require.Contains(t, ask(http.MethodGet, "/api/v1/items/"+item+"?wait=2m", ""), `"executionStatus":"COMPLETED"`)
	page := ""
	defer func() {
		if t.Failed() {
			t.Log(page)
		}
	}()
	has := func(lines ...string) func() bool {
		return func() bool {
			page = ask(http.MethodGet, "/metrics", "")
			for _, line := range lines {
				if !regexp.MustCompile(`(?m)^` + line).MatchString(page) {
					return false
				}
			}
			return true
		}
	}
	require.Eventually(t, has(
		`# TYPE sluice_executions_claimed counter$`, `# HELP sluice_executions_claimed Items that were claimed\.$`,
		`sluice_wait_seconds_bucket\{.*plan="PRO".*reason="none".*le="300"\} 1$`, `sluice_wait_seconds_count\{.*plan="PRO".* 1$`,
		`sluice_executions_claimed\S* 1$`, `sluice_executions_started\S* 1$`, `sluice_executions_ended\S*\{.*status="COMPLETED".* 1$`,
		`temporal_local_activity_execution_latency_seconds_bucket\{activity_type="CheckCapacity".*le="0.005"`,
		`sluice_items_pending\{plan="PRO"\} 0$`, `sluice_slots_held\{plan="PRO"\} 0$`, `sluice_workspaces\{plan="PRO"\} 1$`, `sluice_pauses\{of="all"\} 0$`,
	), time.Minute, 200*time.Millisecond)
	known := map[string]bool{}
	for _, m := range append(metric.Counted(), metric.Levels()...) {
		known[m.Name+" "+string(m.Type)] = true
	}
	for _, family := range regexp.MustCompile(`(?m)^# TYPE (sluice_\S+ \S+)`).FindAllStringSubmatch(page, -1) {
		require.True(t, known[family[1]], "%s is in the list of metrics", family[1])
	}
}
