package e2e

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/internal/operate"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// reconcile keeps one recovery run reconciling to the end of the test.
func (s *stack) reconcile() {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.ctx, onRecovery(), workflows.RecoveryType,
		workflows.RecoveryRequest{ReconcileFor: workflows.Duration(10 * time.Minute)})
	require.NoError(s.t, err)
	s.t.Cleanup(func() {
		_ = s.client.TerminateWorkflow(context.Background(), run.GetID(), run.GetRunID(), "end of test")
	})
}

// reset runs an execution again from its first workflow task.
func (s *stack) reset(id uuid.UUID) (runID string) {
	s.t.Helper()
	answer, err := s.client.ResetWorkflowExecution(s.ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: s.namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflows.ExecutionID(id)},
		Reason: "test", WorkflowTaskFinishEventId: 4, RequestId: uuid.NewString(),
		ResetReapplyExcludeTypes: []enumspb.ResetReapplyExcludeType{enumspb.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL,
			enumspb.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE},
	})
	require.NoError(s.t, err)
	return answer.GetRunId()
}

func TestReconciliationFollowsWhatOthersDoToExecutions(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	s.reconcile()
	ws := s.workspace(s.tier(4))
	def := s.definition(ws.ID, node{kind: "delay", config: forAnHour})
	var ids []uuid.UUID
	for range 4 {
		ids = append(ids, s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}))
	}
	terminated, resetOpen, resetClosed, untouched := ids[0], ids[1], ids[2], ids[3]
	for _, id := range ids {
		s.awaitStarted(id)
	}
	require.NoError(t, s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(terminated), "", "by hand"))
	s.await(terminated, workflows.StatusTerminated)

	again := s.reset(resetOpen)
	s.awaitStarted(resetOpen)
	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(resetClosed)))
	s.await(resetClosed, workflows.StatusCancelled)
	require.Error(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(resetClosed), "").Get(s.ctx, nil))
	for range 2 { // others take the places
		s.awaitStarted(s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}))
	}
	second := s.reset(resetClosed)
	item := s.await(resetClosed, "RUNNING")
	require.Equal(t, second, *item.EngineRunID)
	require.Equal(t, 1, s.count(`SELECT count(*) FROM sluice.running WHERE id = $1`, resetClosed), "it holds a slot again")

	require.Equal(t, 5, s.count(`SELECT count(*) FROM sluice.running`), "one above the limit, and no claim is to blame")
	s.audit()
	for _, id := range []uuid.UUID{resetOpen, resetClosed, untouched} {
		require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(id)))
		s.await(id, workflows.StatusCancelled)
	}
	require.Equal(t, again, *s.await(resetOpen, workflows.StatusCancelled).EngineRunID)
	s.awaitCount(2, `SELECT count(*) FROM sluice.running`)
	s.audit()
}

// awaitStarted waits until a worker has taken the workflow's first task.
func (s *stack) awaitStarted(id uuid.UUID) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		found, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
		return err == nil && found.GetWorkflowExecutionInfo().GetHistoryLength() > 4
	}, patience, 20*time.Millisecond)
}

// A reset run that has ended before reconciliation saw it open: its outcome counts, not that of the run before.
func TestTheLastRunsOutcomeCounts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	s.await(id, workflows.StatusCompleted)
	require.NoError(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil))
	first := *s.await(id, workflows.StatusCompleted).EngineRunID
	second := s.reset(id)
	require.NotEqual(t, first, second)
	require.NoError(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), second).Get(s.ctx, nil))
	s.reconcile()
	require.Eventually(t, func() bool { return *s.await(id, workflows.StatusCompleted).EngineRunID == second }, patience, 20*time.Millisecond)
	s.audit()
}

// Postgres has lost that an execution completed, which earlier passes have found on record. Its turn is far away.
func TestACompletionThatPostgresHasLostIsRecordedAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	s.reconcile()
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	s.await(id, workflows.StatusCompleted)
	require.NoError(t, s.client.GetWorkflow(s.ctx, workflows.ExecutionID(id), "").Get(s.ctx, nil))
	s.awaitCount(1, `
		SELECT count(*) FROM sluice.recovery r, sluice.ended e
		WHERE e.id = $1 AND r.looked_at > e.ended_at + interval '5 seconds'`, id)
	_, err := s.pool.Exec(s.ctx, `
		WITH lost AS (DELETE FROM sluice.ended WHERE id = $1 RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at,
			dispatched_at, checked_at, trigger_type, enqueued_by, engine_run_id, input)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at,
			dispatched_at, now() + interval '1 hour', trigger_type, enqueued_by, engine_run_id, input FROM lost`, id)
	require.NoError(t, err)
	require.NotEmpty(t, s.await(id, workflows.StatusCompleted).Output)
	require.Zero(t, s.count(`SELECT count(*) FROM sluice.running`))
}

// The server refused a start and ran it all the same, and the item was cancelled meanwhile.
func TestAWorkflowWhoseItemIsOverIsTerminated(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	s.reconcile()
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "delay", config: forAnHour})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	pending := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	_, err := s.queue.Cancel(s.ctx, id, "ann", "changed my mind")
	require.NoError(t, err)
	for _, item := range []uuid.UUID{id, pending} {
		_, err = s.client.ExecuteWorkflow(s.ctx, client.StartWorkflowOptions{ID: workflows.ExecutionID(item),
			TaskQueue: workflows.WorkspaceTaskQueue(ws.ID), TypedSearchAttributes: workflows.ExecutionAttributes(ws.ID, "PRO", "any", item)}, workflows.ExecutionType,
			map[string]any{"executionId": item, "workspaceId": ws.ID, "definition": map[string]any{"nodes": []any{
				map[string]any{"id": uuid.New(), "name": "wait", "type": "delay", "config": map[string]any{"duration": "1h"}}}}})
		require.NoError(t, err)
	}
	s.await(pending, "RUNNING") // takes its item out of the queue, and holds a slot
	require.Eventually(t, func() bool {
		found, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(id), "")
		return err == nil && found.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	}, patience, 50*time.Millisecond)
	s.await(id, "CANCELLED")
	s.audit()
}

func TestAnExecutionThatNoWorkerServesIsSeen(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	var log bytes.Buffer
	gauges := &gauges{values: map[string]float64{}}
	seen, err := client.Dial(client.Options{HostPort: s.address, Namespace: s.namespace, MetricsHandler: gauges,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly})
	require.NoError(t, err)
	t.Cleanup(seen.Close)
	// Room for one workspace's worker, and none has to give way.
	stop := s.host(func(c *host.Config) {
		c.Client, c.PollBudget, c.TurnInterval = seen, 14, time.Hour
		c.Logger = slog.New(slog.NewTextHandler(&locked{to: &log}, nil))
	})
	s.dispatch(workflows.State{})
	s.reconcile()
	busy, starving := s.workspace("PRO"), s.workspace("PRO")
	long := s.enqueue(queue.Item{WorkspaceID: busy.ID, DefinitionID: s.definition(busy.ID, node{kind: "delay", config: forAnHour}).ID})
	s.awaitStarted(long)
	starved := s.enqueue(queue.Item{WorkspaceID: starving.ID, DefinitionID: s.definition(starving.ID, node{kind: "noop"}).ID})
	require.Eventually(t, func() bool {
		usage, err := facts.Workspaces(s.ctx, s.pool, starving.ID)
		return err == nil && usage[0].Reason != nil && *usage[0].Reason == workflows.ReasonUnserved
	}, patience, 100*time.Millisecond)
	require.NotNil(t, s.await(starved, "RUNNING").UnservedSince)
	require.Eventually(t, func() bool { return gauges.value("sluice_executions_unserved") == 1 }, patience, 50*time.Millisecond)
	require.Nil(t, s.await(long, "RUNNING").UnservedSince)

	require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(long)))
	s.await(starved, workflows.StatusCompleted) // the place is free
	require.Nil(t, s.await(starved, workflows.StatusCompleted).UnservedSince)
	require.Eventually(t, func() bool { return gauges.value("sluice_executions_unserved") == 0 }, patience, 50*time.Millisecond)
	s.audit()
	stop()
	require.Contains(t, log.String(), "reason="+workflows.ReasonUnserved)
	require.Contains(t, log.String(), "execution="+starved.String())
}

// gauges keeps the latest value of each gauge, whatever its tags.
type gauges struct {
	mu     sync.Mutex
	values map[string]float64
}

func (g *gauges) WithTags(map[string]string) client.MetricsHandler { return g }
func (g *gauges) Counter(string) client.MetricsCounter             { return client.MetricsNopHandler.Counter("") }
func (g *gauges) Timer(string) client.MetricsTimer                 { return client.MetricsNopHandler.Timer("") }
func (g *gauges) Gauge(name string) client.MetricsGauge            { return gauge{g, name} }

func (g *gauges) value(name string) float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.values[name]
}

type gauge struct {
	of   *gauges
	name string
}

func (g gauge) Update(value float64) {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.values[g.name] = value
}

// locked lets several goroutines write.
type locked struct {
	mu sync.Mutex
	to io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}
