package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/admin"
	"sluice/queue"
	"sluice/workflows"
)

// faultPatience has room for several workflow task timeouts in a row, on a machine that is busy with other tests.
const faultPatience = 3 * patience

// endpoint is what executions call: it counts the calls of each, and holds them until it is opened.
type endpoint struct {
	url   string
	limit string // of one call, for those that die with their process
	gate  chan struct{}
	open  func()
	mu    sync.Mutex
	calls map[uuid.UUID]int
}

// newEndpoint is closed: what calls it waits, and so holds its slot.
func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{limit: "1m", gate: make(chan struct{}), calls: map[uuid.UUID]int{}}
	e.open = sync.OnceFunc(func() { close(e.gate) })
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		execution, _, _ := strings.Cut(r.Header.Get("Idempotency-Key"), "/")
		e.mu.Lock()
		e.calls[uuid.MustParse(execution)]++
		e.mu.Unlock()
		select {
		case <-e.gate:
		case <-r.Context().Done(): // the caller is dead
		}
	}))
	e.url = server.URL
	t.Cleanup(func() {
		e.open()
		server.Close()
	})
	return e
}

func (e *endpoint) callsOf(execution uuid.UUID) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls[execution]
}

// callingWorkspaces makes a workspace for each limit, with a definition that calls the endpoint.
func (s *stack) callingWorkspaces(e *endpoint, limits ...int) []admin.Definition {
	s.t.Helper()
	var definitions []admin.Definition
	for _, limit := range limits {
		ws := s.workspace(s.tier(limit))
		definitions = append(definitions, s.definition(ws.ID, node{kind: "http", config: `{"url":"` + e.url + `","method":"POST","timeout":"` + e.limit + `"}`}))
	}
	return definitions
}

// enqueueEach enqueues n items of each definition.
func (s *stack) enqueueEach(definitions []admin.Definition, n int) []uuid.UUID {
	s.t.Helper()
	var ids []uuid.UUID
	for range n {
		for _, d := range definitions {
			ids = append(ids, s.enqueue(queue.Item{WorkspaceID: d.WorkspaceID, DefinitionID: d.ID}))
		}
	}
	return ids
}

// completedOnce says that these are all items of the stack and that each was run once, by one run of one workflow,
// without an attempt that failed, within its workspace's limit, and that nothing is held any more.
func (s *stack) completedOnce(ids []uuid.UUID) {
	s.t.Helper()
	s.eventually(func() bool {
		return s.count(`SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`) == len(ids)
	}, faultPatience, "not all are completed")
	require.Equal(s.t, len(ids), s.count(`SELECT count(*) FROM sluice.executions WHERE id = ANY ($1)`, ids))
	require.Equal(s.t, len(ids), s.count(`SELECT count(*) FROM sluice.queue_items`))
	require.Zero(s.t, s.count(`SELECT sum(attempt_count) FROM sluice.queue_items`), "failed starts")
	require.Zero(s.t, s.count(`SELECT count(*) FROM sluice.running`), "slots")
	s.ranOnce(ids)
	s.withinLimits()
	s.audit()
}

// ranOnce says that Temporal has one run for each, and that Postgres knows it.
func (s *stack) ranOnce(ids []uuid.UUID) {
	s.t.Helper()
	for _, id := range ids { // visibility is eventually consistent; a closed workflow is not
		require.NoError(s.t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil))
	}
	runs := map[string][]*workflowpb.WorkflowExecutionInfo{}
	require.Eventually(s.t, func() bool {
		clear(runs)
		list, err := s.client.ListWorkflow(s.ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: s.namespace, PageSize: 1000, Query: "WorkflowType = '" + workflows.ExecutionType + "'"})
		if err != nil {
			return false
		}
		for _, run := range list.Executions {
			if run.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return false
			}
			runs[run.Execution.WorkflowId] = append(runs[run.Execution.WorkflowId], run)
		}
		return len(runs) >= len(ids)
	}, patience, 50*time.Millisecond, "Temporal does not show all executions as closed")
	require.Len(s.t, runs, len(ids))
	for _, id := range ids {
		mine := runs[workflows.ExecutionID(id)]
		require.Len(s.t, mine, 1, "runs of %s", id)
		item, err := s.queue.Get(s.ctx, id)
		require.NoError(s.t, err)
		require.Equal(s.t, mine[0].Execution.RunId, *item.EngineRunID)
	}
}

// withinLimits says that no workspace ever held more slots than its limit, if that has not changed meanwhile.
func (s *stack) withinLimits() {
	s.t.Helper()
	rows, err := s.pool.Query(s.ctx, `SELECT w.id, t.max_concurrent_workflows FROM sluice.workspaces w JOIN sluice.tiers t USING (plan)`)
	require.NoError(s.t, err)
	limits := map[uuid.UUID]int{}
	for rows.Next() {
		var id uuid.UUID
		var limit int
		require.NoError(s.t, rows.Scan(&id, &limit))
		limits[id] = limit
	}
	require.NoError(s.t, rows.Err())
	require.NotEmpty(s.t, limits)
	for id, limit := range limits {
		require.LessOrEqual(s.t, s.peak(id), limit)
	}
}
