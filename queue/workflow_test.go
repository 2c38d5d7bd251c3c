package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
)

// SendInvoice is an application's workflow.
func SendInvoice(workflow.Context, int) error { return nil }

func (b *bundle) own() queue.Item { return queue.Item{WorkspaceID: b.workspace} }

// stored is the request of an item, wherever it is kept.
func (b *bundle) stored(t *testing.T, id uuid.UUID) *workflowservice.StartWorkflowExecutionRequest {
	t.Helper()
	raw := one[[]byte](t, b.pool, `SELECT coalesce(p.request, (SELECT i.request FROM sluice.inputs i WHERE i.id = p.id)) FROM sluice.pending p WHERE p.id = $1`, id)
	var r workflowservice.StartWorkflowExecutionRequest
	require.NoError(t, proto.Unmarshal(raw, &r))
	return &r
}

func TestAWorkflowIsStoredAsTheSDKWouldSendIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	answer, err := b.queue.EnqueueWorkflow(t.Context(), b.own(), client.StartWorkflowOptions{ID: "invoice-4711", TaskQueue: "invoices", WorkflowRunTimeout: time.Minute,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 3}, Memo: map[string]any{"a": 1}, StaticSummary: "an invoice", EnableEagerStart: true,
		Priority: temporal.Priority{PriorityKey: 2}}, SendInvoice, 4711)
	require.NoError(t, err)
	require.Equal(t, queue.Answer{QueueID: answer.QueueID, Status: "QUEUED", Message: "Workflow execution queued. Will start when capacity is available.", WorkflowID: "invoice-4711"}, answer)
	r := b.stored(t, answer.QueueID)
	require.Equal(t, "SendInvoice invoices invoice-4711", strings.Join([]string{r.GetWorkflowType().GetName(), r.GetTaskQueue().GetName(), r.GetWorkflowId()}, " "))
	require.Equal(t, "4711", string(r.GetInput().GetPayloads()[0].GetData()))
	require.Equal(t, time.Minute, r.GetWorkflowRunTimeout().AsDuration())
	require.EqualValues(t, 3, r.GetRetryPolicy().GetMaximumAttempts())
	require.Equal(t, "1", string(r.GetMemo().GetFields()["a"].GetData()))
	require.JSONEq(t, `"an invoice"`, string(r.GetUserMetadata().GetSummary().GetData()))
	require.EqualValues(t, 2, r.GetPriority().GetPriorityKey())
	require.Empty(t, r.GetNamespace()+r.GetRequestId())
	require.False(t, r.GetRequestEagerExecution())
	state, err := b.queue.Get(t.Context(), answer.QueueID)
	require.NoError(t, err)
	require.Equal(t, "SendInvoice invoices invoice-4711", strings.Join([]string{*state.WorkflowType, *state.TaskQueue, state.WorkflowID}, " "))
	require.Nil(t, state.WorkflowDefinitionID)

	unnamed, err := b.queue.EnqueueWorkflow(t.Context(), b.own(), client.StartWorkflowOptions{}, "Bill")
	require.NoError(t, err)
	require.Equal(t, "execution-"+unnamed.QueueID.String(), unnamed.WorkflowID)
	r = b.stored(t, unnamed.QueueID)
	require.Empty(t, r.GetWorkflowId()+r.GetTaskQueue().GetName())
	require.Equal(t, "workflow.workspace."+b.workspace.String(), one[string](t, b.pool, `SELECT task_queue FROM sluice.pending WHERE id = $1`, unnamed.QueueID))
}

// xor is a codec that makes data unreadable.
type xor struct{}

func (xor) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		raw, err := proto.Marshal(p)
		for i := range raw {
			raw[i] ^= 0x55
		}
		return &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/xor")}, Data: raw}, err
	})
}

func (xor) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	return each(payloads, func(p *commonpb.Payload) (*commonpb.Payload, error) {
		raw, plain := append([]byte(nil), p.Data...), &commonpb.Payload{}
		for i := range raw {
			raw[i] ^= 0x55
		}
		return plain, proto.Unmarshal(raw, plain)
	})
}

func each(payloads []*commonpb.Payload, do func(*commonpb.Payload) (*commonpb.Payload, error)) (all []*commonpb.Payload, err error) {
	for _, p := range payloads {
		done, err := do(p)
		if err != nil {
			return nil, err
		}
		all = append(all, done)
	}
	return all, nil
}

type traceKey struct{}

// tracer is a context propagator.
type tracer struct{ workflow.ContextPropagator }

func (tracer) Inject(ctx context.Context, w workflow.HeaderWriter) error {
	w.Set("trace", &commonpb.Payload{Data: []byte(ctx.Value(traceKey{}).(string))})
	return nil
}

// stamping is an interceptor that adds a memo.
type stamping struct {
	interceptor.ClientInterceptorBase
}

func (s *stamping) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &stamp{interceptor.ClientOutboundInterceptorBase{Next: next}}
}

type stamp struct {
	interceptor.ClientOutboundInterceptorBase
}

func (s *stamp) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	in.Options.Memo = map[string]any{"stamped": true}
	return s.Next.ExecuteWorkflow(ctx, in)
}

// swallowing is an interceptor that starts nothing.
type swallowing struct {
	interceptor.ClientInterceptorBase
}

func (s *swallowing) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &swallow{interceptor.ClientOutboundInterceptorBase{Next: next}}
}

type swallow struct {
	interceptor.ClientOutboundInterceptorBase
}

func (s *swallow) ExecuteWorkflow(context.Context, *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	return nil, nil
}

func TestAnApplicationsClientOptionsEncodeItsWorkflows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	encrypting := converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), xor{})
	q := queue.New(b.pool, queue.WithClientOptions(client.Options{DataConverter: encrypting, ContextPropagators: []workflow.ContextPropagator{tracer{}},
		Interceptors: []interceptor.ClientInterceptor{&stamping{}}, HostPort: "nowhere.test:1"}))
	answer, err := q.EnqueueWorkflow(context.WithValue(t.Context(), traceKey{}, "t-123"), b.own(), client.StartWorkflowOptions{TaskQueue: "invoices"}, "SendInvoice", map[string]int{"order": 4711})
	require.NoError(t, err)
	r := b.stored(t, answer.QueueID)
	require.Equal(t, "binary/xor", string(r.GetInput().GetPayloads()[0].GetMetadata()["encoding"]))
	require.NotContains(t, r.String(), "4711", "nobody can read it")
	var order map[string]int
	require.NoError(t, encrypting.FromPayloads(r.GetInput(), &order))
	require.Equal(t, map[string]int{"order": 4711}, order)
	require.Equal(t, "t-123", string(r.GetHeader().GetFields()["trace"].GetData()))
	require.Contains(t, r.GetMemo().GetFields(), "stamped")

	q = queue.New(b.pool, queue.WithClientOptions(client.Options{Interceptors: []interceptor.ClientInterceptor{&swallowing{}}}))
	_, err = q.EnqueueWorkflow(t.Context(), b.own(), client.StartWorkflowOptions{}, "SendInvoice")
	require.ErrorContains(t, err, "did not pass the start on")
}

func TestAWorkflowThatCannotBeAdmittedIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type options = client.StartWorkflowOptions
	for name, c := range map[string]struct {
		item     queue.Item
		options  options
		workflow any
		args     []any
		want     string
		kind     error
	}{
		"cron":                 {options: options{CronSchedule: "@daily"}, want: "cron schedule"},
		"terminates":           {options: options{WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING}, want: "conflict policy"},
		"uses":                 {options: options{WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING}, want: "conflict policy"},
		"an own id":            {options: options{ID: "sluice-recovery"}, want: "begins as those of Sluice itself do"},
		"an own queue":         {options: options{TaskQueue: "activities.external-api"}, want: "Sluice's own"},
		"a long id":            {options: options{ID: strings.Repeat("x", 1001)}, want: "1 to 1000 bytes"},
		"an own type":          {workflow: "Dispatcher", want: "type of Sluice itself"},
		"no type":              {workflow: "", want: "workflow_type"},
		"no function":          {workflow: 7, want: "workflow"},
		"unencodable":          {args: []any{make(chan int)}, want: "unable to encode"},
		"large":                {args: []any{strings.Repeat("x", 2<<20)}, want: "at most 2097152 are allowed"},
		"too many arguments":   {workflow: SendInvoice, args: []any{1, 2}, want: "expected 1 args"},
		"very many arguments":  {args: make([]any, 5000), want: "more than 10000 fields"},
		"also a definition":    {item: queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition}, want: "not both"},
		"also an input":        {item: queue.Item{WorkspaceID: b.workspace, Input: []byte(`{}`)}, want: "not both"},
		"nobody's":             {item: queue.Item{WorkspaceID: uuid.New()}, want: "unknown workspace", kind: queue.ErrUnknownWorkspace},
		"an unknown conflict":  {item: queue.Item{WorkspaceID: b.workspace, Workflow: &queue.Workflow{OnConflict: "shrug"}}, want: "options.onConflict"},
		"a reserved attribute": {options: options{TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword("SluicePlan").ValueSet("x"))}, want: `"SluicePlan"`},
	} {
		if c.item.WorkspaceID == uuid.Nil {
			c.item = b.own()
		}
		if c.workflow == nil {
			c.workflow = "Bill"
		}
		_, err := b.queue.EnqueueWorkflow(t.Context(), c.item, c.options, c.workflow, c.args...)
		if c.kind == nil {
			c.kind = queue.ErrInvalid
		}
		require.ErrorIs(t, err, c.kind, name)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := b.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: b.workspace, Workflow: &queue.Workflow{}})
	require.ErrorContains(t, err, "the workflow has no request")
	_, err = b.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: b.workspace, Workflow: &queue.Workflow{
		Request: &workflowservice.StartWorkflowExecutionRequest{CompletionCallbacks: []*commonpb.Callback{{}}}}})
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "the request has 1 completion callbacks")
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending`))
}

func TestAStartDelayIsWhenTheItemIsAvailable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	delayed := client.StartWorkflowOptions{StartDelay: 2 * time.Hour}
	answer, err := b.queue.EnqueueWorkflow(t.Context(), b.own(), delayed, "Bill")
	require.NoError(t, err)
	require.Equal(t, "02:00:00", one[string](t, b.pool, `SELECT (available_at - created_at)::text FROM sluice.pending WHERE id = $1`, answer.QueueID), "by the database's clock")
	at := time.Now().Add(5 * time.Hour).Truncate(time.Microsecond)
	item := b.own()
	item.AvailableAt = at
	answer, err = b.queue.EnqueueWorkflow(t.Context(), item, delayed, "Bill")
	require.NoError(t, err)
	require.Equal(t, at, one[time.Time](t, b.pool, `SELECT available_at FROM sluice.pending WHERE id = $1`, answer.QueueID), "what the item says wins")
	delayed.StartDelay = 11 * 365 * 24 * time.Hour
	_, err = b.queue.EnqueueWorkflow(t.Context(), b.own(), delayed, "Bill")
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "at most ten years ahead")
}

func TestWorkflowsAndDefinitionsAreEnqueuedTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	narrow, role := b.narrow(t)
	b.exec(t, `GRANT EXECUTE ON FUNCTION sluice.enqueue_workflow, sluice.check_workspace, sluice.task_queue_of TO `+role)
	for name, q := range map[string]*queue.Client{"as the owner": b.queue, "by a role that may only enqueue": queue.New(narrow)} {
		made, err := q.NewWorkflow(t.Context(), b.own(), client.StartWorkflowOptions{ID: "one of many"}, SendInvoice, 1)
		require.NoError(t, err, name)
		large, err := q.NewWorkflow(t.Context(), b.own(), client.StartWorkflowOptions{}, "Bill", strings.Repeat("x", 1<<20))
		require.NoError(t, err, name)
		keyed := made
		keyed.UniqueKey = "order-7"
		answers, err := q.EnqueueMany(t.Context(), []queue.Item{b.item(), made, large, keyed, b.item(), keyed})
		require.NoError(t, err, name)
		require.Empty(t, answers[0].WorkflowID)
		require.Equal(t, "one of many", answers[1].WorkflowID)
		require.Equal(t, "execution-"+answers[2].QueueID.String(), answers[2].WorkflowID)
		require.Equal(t, answers[3].QueueID, answers[5].QueueID)
		require.Equal(t, "one of many", answers[5].WorkflowID, "of the first item")
		require.Len(t, b.stored(t, answers[2].QueueID).GetInput().GetPayloads(), 1)
		require.Equal(t, 5, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending`), name)

		bad := made
		bad.Workflow = &queue.Workflow{Request: &workflowservice.StartWorkflowExecutionRequest{WorkflowType: &commonpb.WorkflowType{Name: "Execution"}}}
		_, err = q.EnqueueMany(t.Context(), []queue.Item{b.item(), made, bad})
		require.ErrorIs(t, err, queue.ErrInvalid, name)
		require.ErrorContains(t, err, "item 3 of 3", name)
		err = pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
			if _, err := b.queue.EnqueueWorkflowTx(t.Context(), tx, b.own(), client.StartWorkflowOptions{}, "Bill"); err != nil {
				return err
			}
			return errors.New("the order was not placed")
		})
		require.ErrorContains(t, err, "not placed")
		require.Equal(t, 5, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending`), name)
		b.exec(t, `TRUNCATE sluice.pending, sluice.unique_keys, sluice.inputs`)
	}
}

// A caller that has its arguments as JSON needs no request. They are checked as those of the function in SQL.
func TestAWorkflowIsDescribedInJSON(t *testing.T) {
	t.Parallel()
	b := setup(t)
	described := func(change func(*queue.Workflow)) queue.Item {
		w := queue.Workflow{Type: "Bill", TaskQueue: "bills", ID: "bill-7", Args: []byte(` [{"order": 4711}, 42] `), Options: []byte(`{"runTimeout": "2h"}`)}
		change(&w)
		return queue.Item{WorkspaceID: b.workspace, Workflow: &w}
	}
	answer, err := b.queue.Enqueue(t.Context(), described(func(w *queue.Workflow) { w.OnConflict = "wait" }))
	require.NoError(t, err)
	require.Equal(t, "bill-7", answer.WorkflowID)
	require.Equal(t, "Bill bills bill-7 2h wait 4711", one[string](t, b.pool, `SELECT concat_ws(' ', workflow_type, task_queue, workflow_id, input #>> '{options,runTimeout}',
		input #>> '{options,onConflict}', input #>> '{args,0,order}') FROM sluice.pending WHERE id = $1`, answer.QueueID))
	answers, err := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), {WorkspaceID: b.workspace, Workflow: &queue.Workflow{Type: "Bill"}}})
	require.NoError(t, err)
	require.Equal(t, "execution-"+answers[1].QueueID.String(), answers[1].WorkflowID)

	for want, change := range map[string]func(*queue.Workflow){
		"not both":                      func(w *queue.Workflow) { w.Request = &workflowservice.StartWorkflowExecutionRequest{} },
		"args must be a JSON array":     func(w *queue.Workflow) { w.Args = []byte(`{}`) },
		"arguments and options":         func(w *queue.Workflow) { w.Args = []byte(`[1`) },
		"u0000":                         func(w *queue.Workflow) { w.Options = []byte(`{"summary": "\u0000"}`) },
		"options must be a JSON object": func(w *queue.Workflow) { w.Options, w.OnConflict = []byte(`[]`), "fail" },
		"options.onConflict must be":    func(w *queue.Workflow) { w.OnConflict = "shrug" },
		"workflow_type must have 1 to":  func(w *queue.Workflow) { w.Type = "" },
		"is a type of Sluice itself":    func(w *queue.Workflow) { w.Type = "Recovery" },
		"at most 262144 (256 KiB)":      func(w *queue.Workflow) { w.Args = []byte(`["` + strings.Repeat("x", 1<<18) + `"]`) },
	} {
		_, err := b.queue.Enqueue(t.Context(), described(change))
		require.ErrorIs(t, err, queue.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
}
