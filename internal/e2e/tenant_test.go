package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// write puts a definition of one node into its tables by hand, past all that is checked when one is applied.
func (s *stack) write(workspace uuid.UUID, kind, config string) uuid.UUID {
	s.t.Helper()
	graph := fmt.Sprintf(`{"nodes": [{"name": "step", "type": %q, "config": %s}]}`, kind, config)
	var id uuid.UUID
	require.NoError(s.t, s.pool.QueryRow(s.ctx, `WITH d AS (INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, $2) RETURNING id),
		v AS (INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT id, 1, $3 FROM d)
		SELECT id FROM d`, workspace, uuid.NewString(), graph).Scan(&id))
	return id
}

// What one workspace writes ends nothing of another's, starts no second dispatcher, and holds no slot for ever.
func TestADefinitionWrittenByHandReachesNobodyElse(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	victim, mallory := s.workspace(s.tier(2)), s.workspace("PRO")
	long := s.definition(victim.ID, node{kind: "delay", config: forAnHour})
	var ids []uuid.UUID
	for range 3 {
		ids = append(ids, s.enqueue(queue.Item{WorkspaceID: victim.ID, DefinitionID: long.ID}))
	}
	s.awaitCount(2, `SELECT count(*) FROM sluice.running WHERE workspace_id = $1`, victim.ID)
	s.awaitWaiting(1)
	takenOver := s.count(takeovers)
	pretended := func(id uuid.UUID) string {
		return fmt.Sprintf(`{"executionId": %q, "workspaceId": %q, "plan": "FREE", "versionNumber": 1, "input": {},
			"definition": {"name": "z", "nodes": [{"id": "00000000-0000-0000-0000-000000000002", "type": "noop"}]}}`, id, victim.ID)
	}
	var attempts []uuid.UUID
	for _, config := range []string{
		fmt.Sprintf(`{"workflowType": "Execution", "timeout": "30s", "input": %s}`, pretended(ids[0])),
		fmt.Sprintf(`{"workflowType": "Execution", "timeout": "30s", "input": %s}`, pretended(ids[2])),
		fmt.Sprintf(`{"workflowType": "Execution", "taskQueue": "workflow.workspace.%s", "timeout": "30s", "input": %s}`, victim.ID, pretended(ids[2])),
		`{"workflowType": "Dispatcher", "taskQueue": "workflows.default", "input": {}, "timeout": "60s"}`,
		`{"workflowType": "Recovery", "taskQueue": "workflows.default", "input": {}, "timeout": "60s"}`,
		fmt.Sprintf(`{"workflowType": "Bill", "taskQueue": "workflow.workspace.%s", "timeout": "30s"}`, victim.ID),
		`{"workflowType": "temporal-sys-scheduler-workflow", "taskQueue": "temporal-sys-per-ns-tq", "timeout": "30s"}`,
		`{"workflowType": "Bill", "retry": {"maximumInterval": "500ms"}}`,
		`{"workflowType": "Bill", "taskQueue": "/_sys/x"}`,
	} {
		attempts = append(attempts, s.enqueue(queue.Item{WorkspaceID: mallory.ID, DefinitionID: s.write(mallory.ID, "workflow", config)}))
	}
	for _, retry := range []string{`{"maximumInterval": "500ms"}`, `{"initialInterval": "2562047h"}`} {
		attempts = append(attempts, s.enqueue(queue.Item{WorkspaceID: mallory.ID, DefinitionID: s.write(mallory.ID, "http", `{"url": "http://127.0.0.1:1", "retry": `+retry+`}`)}))
	}
	for _, id := range attempts {
		require.Contains(t, *s.await(id, "FAILED").Error, "invalid-definition: ")
	}
	// By hand, with a workflow id of one's own.
	forged, err := s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: "forged", TaskQueue: workflows.WorkspaceTaskQueue(victim.ID)},
		workflows.ExecutionType, json.RawMessage(pretended(ids[2])))
	require.NoError(t, err)
	require.NoError(t, forged.Get(s.ctx, nil))

	require.Equal(t, 2, s.count(`SELECT count(*) FROM sluice.running WHERE workspace_id = $1`, victim.ID))
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.pending WHERE id = $1`, ids[2]), "it has not been run, nor ended")
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.ended WHERE workspace_id = $1`, victim.ID))
	require.Equal(t, takenOver, s.count(takeovers), "there is the one dispatcher")
	require.Equal(t, 2, s.peak(victim.ID))
	s.audit()
}

func TestHTTPNodesReachWhatTheyMay(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(func(c *host.Config) { c.AllowPrivateAddresses = false })
	s.dispatch(workflows.State{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
	t.Cleanup(server.Close)
	ws := s.workspace("PRO")
	for url, want := range map[string]string{
		server.URL: "may not reach loopback addresses", "http://169.254.169.254/latest/meta-data/": "may not reach link-local addresses",
		"http://[::ffff:10.0.0.1]/": "may not reach private addresses",
	} {
		def := s.definition(ws.ID, node{kind: "http", config: fmt.Sprintf(`{"url": %q}`, url)})
		s.await(s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}), workflows.StatusFailed)
		require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.executions WHERE workflow_definition_id = $1 AND error ->> 'message' LIKE '%' || $2 || '%'`, def.ID, want), url)
	}
	s.audit()
}
