package e2e

import (
	"compress/gzip"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

var record = flag.Bool("record", false, "write the histories that package workflows replays")

// shape names the set of histories; a change that alters the commands of a workflow adds a new one and keeps the old.
const shape = "v2"

// TestRecordHistories drives every path of each workflow once on a real server and checks that it did; with -record it
// also keeps the histories for the replay test.
func TestRecordHistories(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/missing") {
			http.NotFound(w, r)
		}
	}))
	defer api.Close()
	s := newStack(t)
	s.host(func(c *host.Config) {
		c.RegisterWorkflows = func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(func(workflow.Context, map[string]any) (string, error) { return "done", nil }, workflow.RegisterOptions{Name: "Child"})
		}
	})
	s.dispatch(workflows.State{ContinueEvery: 100})
	ws := s.workspace("PRO")
	run := func(want string, nodes ...node) uuid.UUID {
		id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: s.definition(ws.ID, nodes...).ID})
		s.await(id, want)
		return id
	}
	short := `{"duration":"20ms"}`
	histories := map[string]uuid.UUID{
		"execution_diamond": run(workflows.StatusCompleted, node{kind: "noop"}, node{kind: "delay", config: short, needs: []int{0}},
			node{kind: "delay", config: short, needs: []int{0}}, node{kind: "noop", needs: []int{1, 2}}),
		"execution_http_and_child": run(workflows.StatusCompleted, node{kind: "http", config: `{"url":"` + api.URL + `"}`},
			node{kind: "workflow", config: `{"workflowType":"Child"}`, needs: []int{0}}),
		"execution_failed":    run(workflows.StatusFailed, node{kind: "http", config: `{"url":"` + api.URL + `/missing"}`}, node{kind: "delay", config: forAnHour}),
		"execution_cancelled": run("RUNNING", node{kind: "delay", config: forAnHour}),
	}
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(histories["execution_cancelled"])))
	s.await(histories["execution_cancelled"], workflows.StatusCancelled)

	_, err := operate.Pause(s.ctx, s.client, s.pool, workflows.PauseRequest{Actor: "ann"})
	require.NoError(t, err)
	_, err = operate.Resume(s.ctx, s.client, s.pool, workflows.ResumeRequest{Actor: "ann"})
	require.NoError(t, err)
	// Work keeps coming, for so long that the loop leaves its workflow task to let messages in.
	for !s.yielded() {
		run(workflows.StatusCompleted, node{kind: "noop"})
	}
	// Idle for long enough to wait outside the workflow task, then with work.
	for range 2 {
		s.awaitWaiting(1)
		run(workflows.StatusCompleted, node{kind: "noop"})
	}
	// Until it has continued as new.
	for first := s.runOf(workflows.DispatcherID); s.runOf(workflows.DispatcherID) == first; {
		run(workflows.StatusCompleted, node{kind: "noop"})
	}
	s.awaitWaiting(1)
	spin := workflows.Duration(200 * time.Millisecond)
	_, err = operate.Configure(s.ctx, s.client, s.pool, workflows.ConfigureRequest{Actor: "ann", Spin: &spin})
	require.NoError(t, err)
	s.recover()
	s.recoverWith(workflows.RecoveryRequest{ReconcileFor: workflows.Duration(time.Second)})
	goesOn, err := s.client.ExecuteWorkflow(s.ctx, onRecovery(), workflows.RecoveryType,
		workflows.RecoveryRequest{ReconcileFor: workflows.Duration(100 * time.Millisecond), GoOn: true})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.runOf(goesOn.GetID()) != goesOn.GetRunID() }, patience, 20*time.Millisecond, "it never began anew")
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, goesOn.GetID(), "", "end of test"))
	require.NoError(t, operate.Stop(s.ctx, s.client, s.pool, workflows.StopRequest{Actor: "ann"}, operate.StopOptions{}))

	list, err := s.client.ListWorkflow(s.ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: s.namespace,
		Query: "WorkflowType IN ('Dispatcher', 'Recovery')"})
	require.NoError(t, err)
	slices.SortFunc(list.Executions, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.StartTime.AsTime().Compare(b.StartTime.AsTime())
	})
	seen := map[string]int{}
	for _, e := range list.Executions {
		kind := strings.ToLower(e.Type.Name)
		seen[kind]++
		s.keep(fmt.Sprintf("%s_%d", kind, seen[kind]), e.Execution.WorkflowId, e.Execution.RunId)
	}
	require.Greater(t, seen["dispatcher"], 1, "it continued as new at least once")
	require.Positive(t, seen["recovery"])
	for name, id := range histories {
		s.keep(name, workflows.ExecutionID(id), "")
	}
}

// runOf is the newest run of a workflow.
func (s *stack) runOf(workflowID string) string {
	s.t.Helper()
	newest, err := s.client.DescribeWorkflowExecution(s.ctx, workflowID, "")
	require.NoError(s.t, err)
	return newest.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// yielded tells whether the dispatcher has looked for capacity outside of its workflow task.
func (s *stack) yielded() bool {
	s.t.Helper()
	history := s.client.GetWorkflowHistory(s.ctx, workflows.DispatcherID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(s.t, err)
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == workflows.ActivityCheckCapacity {
			return true
		}
	}
	return false
}

// keep writes one history, when asked to.
func (s *stack) keep(name, workflowID, runID string) {
	s.t.Helper()
	if !*record {
		return
	}
	var history historypb.History
	events := s.client.GetWorkflowHistory(s.ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(s.t, err)
		history.Events = append(history.Events, event)
	}
	raw, err := protojson.Marshal(&history)
	require.NoError(s.t, err)
	dir := filepath.Join("..", "..", "workflows", "testdata", "histories", shape)
	require.NoError(s.t, os.MkdirAll(dir, 0o755))
	file, err := os.Create(filepath.Join(dir, name+".json.gz"))
	require.NoError(s.t, err)
	zip := gzip.NewWriter(file)
	_, err = zip.Write(raw)
	require.NoError(s.t, err)
	require.NoError(s.t, zip.Close())
	require.NoError(s.t, file.Close())
}
