package admitted_test

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"sluice/internal/admitted"
	"sluice/internal/devstack/devtest"
	"sluice/queue"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// bundle is a queue in a database of its own, with one workspace, and a Temporal that only remembers what it is asked.
type bundle struct {
	admitted.Calls
	queue     *queue.Client
	pool      *pgxpool.Pool
	workspace uuid.UUID

	mu     sync.Mutex
	asked  []proto.Message
	answer func(request, reply proto.Message) error
}

func setup(t testing.TB) *bundle {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bundle{queue: queue.New(pool), pool: pool, answer: func(_, _ proto.Message) error { return nil }}
	require.NoError(t, pool.QueryRow(t.Context(), `INSERT INTO sluice.workspaces (name, external_key) VALUES ('Acme', 'acme') RETURNING id`).Scan(&b.workspace))
	b.Calls = admitted.Calls{Queue: b.queue, Namespace: "default",
		WorkspaceOf: func(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) string {
			return r.GetPriority().GetFairnessKey()
		}}
	return b
}

// do makes a call; whatever goes to Temporal is remembered there.
func (b *bundle) do(ctx context.Context, request, reply proto.Message) error {
	return b.Do(ctx, request, reply, func(_ context.Context, request proto.Message) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked = append(b.asked, request)
		return b.answer(request, reply)
	}, func(_ context.Context, request *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		var described workflowservice.DescribeWorkflowExecutionResponse
		return &described, b.answer(request, &described)
	})
}

// last is what Temporal was asked last, nil if nothing since the last time.
func (b *bundle) last() proto.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asked) == 0 {
		return nil
	}
	last := b.asked[len(b.asked)-1]
	b.asked = nil
	return last
}

// start is a start in Acme's name.
func start(change func(r *workflowservice.StartWorkflowExecutionRequest)) *workflowservice.StartWorkflowExecutionRequest {
	r := &workflowservice.StartWorkflowExecutionRequest{
		Namespace: "default", WorkflowId: "invoice-1", RequestId: uuid.NewString(), Identity: "shop@host",
		WorkflowType: &commonpb.WorkflowType{Name: "SendInvoice"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "invoices"},
		Input:    &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("binary/secret")}, Data: []byte("?")}}},
		Memo:     &commonpb.Memo{Fields: map[string]*commonpb.Payload{"order": {Data: []byte("4711")}}},
		Priority: &commonpb.Priority{FairnessKey: "acme"},
	}
	if change != nil {
		change(r)
	}
	return r
}

// start starts a workflow, which must go into the queue, and returns the id of its item.
func (b *bundle) start(t *testing.T, r *workflowservice.StartWorkflowExecutionRequest) uuid.UUID {
	t.Helper()
	var reply workflowservice.StartWorkflowExecutionResponse
	require.NoError(t, b.do(t.Context(), r, &reply))
	require.Nil(t, b.last(), "Temporal knows nothing of it")
	require.True(t, reply.GetStarted())
	id, err := uuid.Parse(reply.GetRunId())
	require.NoError(t, err)
	return id
}

func (b *bundle) get(t *testing.T, id uuid.UUID) queue.State {
	t.Helper()
	state, err := b.queue.Get(t.Context(), id)
	require.NoError(t, err)
	return state
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	tag, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

// claim takes an item, as the dispatcher does.
func (b *bundle) claim(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH p AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, turn, created_at, available_at,
			claimed_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, 1, created_at, available_at,
			now(), expires_at, unique_key, trigger_type, enqueued_by, input FROM p`, id)
}

// settle records the start of a claimed item.
func (b *bundle) settle(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.exec(t, `UPDATE sluice.running SET dispatched_at = now(), engine_run_id = 'run-of-temporal' WHERE id = $1`, id)
}

func (b *bundle) dispatch(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.claim(t, id)
	b.settle(t, id)
}

// end records the outcome of an execution.
func (b *bundle) end(t *testing.T, id uuid.UUID, status string) {
	t.Helper()
	b.exec(t, `WITH r AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, workflow_id, request, status, priority, attempt_count, created_at, available_at,
			claimed_at, dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input)
		SELECT id, workspace_id, workflow_type, task_queue, workflow_id, request, $2, priority, attempt_count, created_at, available_at,
			claimed_at, dispatched_at, expires_at, unique_key, trigger_type, enqueued_by, engine_run_id, input FROM r`, id, status)
}

// refuse ends an item that waits without an execution.
func (b *bundle) refuse(t *testing.T, id uuid.UUID, status, reason string) {
	t.Helper()
	b.exec(t, `WITH p AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, workflow_id, request, status, reason, error, actor, priority, attempt_count,
			created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_type, task_queue, workflow_id, request, $2, $3, '{"message": "it was so"}', 'recovery', priority, attempt_count,
			created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input FROM p`, id, status, reason)
}

func named(run string) *commonpb.WorkflowExecution {
	return &commonpb.WorkflowExecution{WorkflowId: "invoice-1", RunId: run}
}
