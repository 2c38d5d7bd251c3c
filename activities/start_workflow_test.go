package activities

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// full is a request that has something in what a caller may say.
const full = `{"namespace": "theirs", "workflowId": "bill-7", "workflowType": {"name": "Bill"}, "taskQueue": {"name": "bills"},
	"input": {"payloads": [{"metadata": {"encoding": "YmluYXJ5L2VuY3J5cHRlZA=="}, "data": "AAEC/w=="}, {"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "NDI="}]},
	"workflowExecutionTimeout": "3600s", "workflowRunTimeout": "60s", "workflowTaskTimeout": "5s", "identity": "shop", "requestId": "theirs", "requestEagerExecution": true,
	"workflowIdReusePolicy": "WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY", "retryPolicy": {"initialInterval": "1s", "maximumAttempts": 3},
	"memo": {"fields": {"mine": {"data": "MQ=="}, "sluiceItem": {"data": "Mg=="}}}, "searchAttributes": {"indexedFields": {"CustomKeywordField": {"data": "InZpcCI="}}},
	"header": {"fields": {"trace": {"data": "dC0xMjM="}}}, "userMetadata": {"summary": {"data": "InNldmVuIg=="}}, "priority": {"priorityKey": 2, "fairnessKey": "theirs"}}`

func fullRequest(t *testing.T) *workflowservice.StartWorkflowExecutionRequest {
	t.Helper()
	var r workflowservice.StartWorkflowExecutionRequest
	require.NoError(t, protojson.Unmarshal([]byte(full), &r))
	return &r
}

// workflowItem is a claim of an item that is a workflow, with this request.
func workflowItem(t *testing.T, r *workflowservice.StartWorkflowExecutionRequest) dispatch.Execution {
	t.Helper()
	raw, err := proto.Marshal(r)
	require.NoError(t, err)
	x := execution()
	x.DefinitionID, x.DefinitionName, x.VersionID, x.VersionNumber, x.Input, x.Graph = uuid.Nil, nil, nil, nil, nil, nil
	x.Claimed = time.Now()
	x.Workflow = &store.Workflow{Type: r.GetWorkflowType().GetName(), TaskQueue: r.GetTaskQueue().GetName(), ID: r.GetWorkflowId(), Request: raw}
	return x
}

// answer is what start returns.
type answer struct {
	run    string
	failed *store.FailedStart
}

// startAt starts a claim at a frontend.
func startAt(t *testing.T, pool *pgxpool.Pool, f *frontend, x dispatch.Execution) (got answer, err error) {
	t.Helper()
	a := New(Config{Pool: pool, Client: f.dial(t)})
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		got.run, got.failed, err = a.start(ctx, x, false)
		return nil
	}, activity.RegisterOptions{Name: "start"})
	_, activityErr := env.ExecuteActivity("start")
	require.NoError(t, activityErr)
	return got, err
}

func ofItem(id uuid.UUID) *commonpb.SearchAttributes {
	return &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{workflows.AttributeQueueItem: {Data: []byte(`"` + id.String() + `"`)}}}
}

// But for what is Sluice's to say, a start is the stored request to the last byte.
func TestAStartIsTheStoredRequest(t *testing.T) {
	t.Parallel()
	pool := database(t)
	f, stored := &frontend{}, fullRequest(t)
	stored.WorkflowStartDelay = durationpb.New(time.Hour)
	x := workflowItem(t, stored)
	got, err := startAt(t, pool, f, x)
	require.NoError(t, err)
	require.Equal(t, answer{run: "new"}, got)
	require.Len(t, f.started, 1)
	sent := f.started[0]
	require.Equal(t, "default-test-namespace", sent.GetNamespace())
	require.Equal(t, "sluice", sent.GetIdentity())
	require.Equal(t, x.ID.String(), sent.GetRequestId())
	require.Equal(t, "bill-7", sent.GetWorkflowId())
	require.False(t, sent.GetRequestEagerExecution())
	require.Nil(t, sent.GetWorkflowStartDelay(), "it has waited for that in the queue")
	stored.WorkflowStartDelay = nil
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, sent.GetWorkflowIdConflictPolicy())
	require.True(t, proto.Equal(&commonpb.Priority{PriorityKey: 2, FairnessKey: x.WorkspaceID.String(), FairnessWeight: 4}, sent.GetPriority()), "%v", sent.GetPriority())
	require.JSONEq(t, `"`+x.ID.String()+`"`, string(sent.GetMemo().GetFields()["sluiceItem"].GetData()))
	require.JSONEq(t, `"`+x.ID.String()+`"`, string(sent.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem].GetData()))
	require.JSONEq(t, `"PRO"`, string(sent.GetSearchAttributes().GetIndexedFields()[workflows.AttributePlan].GetData()))
	require.Len(t, sent.GetSearchAttributes().GetIndexedFields(), 4)
	require.Len(t, sent.GetMemo().GetFields(), 2)

	for _, r := range []*workflowservice.StartWorkflowExecutionRequest{stored, sent} {
		r.Namespace, r.Identity, r.RequestId, r.WorkflowIdConflictPolicy, r.Priority, r.RequestEagerExecution = "", "", "", 0, nil, false
		r.TaskQueue.Kind = 0
		delete(r.Memo.Fields, "sluiceItem")
		for name := range r.SearchAttributes.IndexedFields {
			if strings.HasPrefix(name, "Sluice") {
				delete(r.SearchAttributes.IndexedFields, name)
			}
		}
	}
	require.True(t, proto.Equal(stored, sent), "stored %v\nsent %v", stored, sent)
}

func TestAWorkflowWithoutNamesRunsUnderThoseOfItsItem(t *testing.T) {
	t.Parallel()
	pool := database(t)
	f, r := &frontend{}, fullRequest(t)
	r.WorkflowId, r.WorkflowType, r.TaskQueue, r.Priority = "", nil, nil, nil
	x := workflowItem(t, r)
	x.Workflow.Type, x.Workflow.TaskQueue = "Bill", "tenants"
	_, err := startAt(t, pool, f, x)
	require.NoError(t, err)
	require.Equal(t, "execution-"+x.ID.String()+" Bill tenants", strings.Join([]string{f.started[0].GetWorkflowId(), f.started[0].GetWorkflowType().GetName(), f.started[0].GetTaskQueue().GetName()}, " "))
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, f.started[0].GetWorkflowIdReusePolicy(), "an id of its item's is nobody else's")
	require.EqualValues(t, 2, f.started[0].GetPriority().GetPriorityKey(), "the item's")
}

// Rows may have been written by hand, or have become wrong since.
func TestAWorkflowThatMayNotBeStartedIsNotAskedFor(t *testing.T) {
	t.Parallel()
	pool := database(t)
	type r = workflowservice.StartWorkflowExecutionRequest
	for name, c := range map[string]struct {
		request func(*r)
		item    func(*dispatch.Execution)
		reason  string
		message string
	}{
		"own type":           {request: func(x *r) { x.WorkflowType.Name = "Execution" }, reason: reasonInvalidRequest, message: "is a type of Sluice itself"},
		"own type by item":   {request: func(x *r) { x.WorkflowType = nil }, item: func(x *dispatch.Execution) { x.Workflow.Type = "dispatcher" }, reason: reasonInvalidRequest, message: "is a type of Sluice itself"},
		"own queue":          {request: func(x *r) { x.TaskQueue.Name = "workflows.default" }, reason: reasonInvalidRequest, message: "is Sluice's own"},
		"another's queue":    {request: func(x *r) { x.TaskQueue.Name = "workflow.workspace." + uuid.NewString() }, reason: reasonInvalidRequest, message: "is not this workspace's"},
		"an item's id":       {item: func(x *dispatch.Execution) { x.Workflow.ID = "execution-" + uuid.NewString() }, reason: reasonInvalidRequest, message: "begins as those of Sluice itself do"},
		"the dispatcher's":   {item: func(x *dispatch.Execution) { x.Workflow.ID = "Sluice-dispatcher" }, reason: reasonInvalidRequest, message: "begins as those of Sluice itself do"},
		"cron":               {request: func(x *r) { x.CronSchedule = "@daily" }, reason: reasonInvalidRequest, message: "cron schedule"},
		"terminate existing": {request: func(x *r) { x.WorkflowIdConflictPolicy = 3 }, reason: reasonInvalidRequest, message: "conflict policy"},
		"use existing":       {request: func(x *r) { x.WorkflowIdConflictPolicy = 2 }, reason: reasonInvalidRequest, message: "conflict policy"},
		"terminate running":  {request: func(x *r) { x.WorkflowIdReusePolicy = 4 }, reason: reasonInvalidRequest, message: "TerminateIfRunning"},
		"callbacks":          {request: func(x *r) { x.CompletionCallbacks = []*commonpb.Callback{{}, {}} }, reason: reasonInvalidRequest, message: "has 2 completion callbacks"},
		"own attribute":      {request: func(x *r) { x.SearchAttributes.IndexedFields["SluiceQueueItemId"] = &commonpb.Payload{} }, reason: reasonInvalidRequest, message: `"SluiceQueueItemId"`},
		"no request":         {item: func(x *dispatch.Execution) { x.Workflow.Request = nil }, reason: reasonInputGone, message: "neither with the item"},
		"no message":         {item: func(x *dispatch.Execution) { x.Workflow.Request = []byte("nonsense") }, reason: reasonInvalidRequest, message: "no StartWorkflowExecutionRequest"},
		"no input":           {item: func(x *dispatch.Execution) { x.Input = []byte(`{"args": 7}`) }, reason: reasonInvalidRequest, message: "read the arguments"},
		"many arguments": {item: func(x *dispatch.Execution) {
			x.Workflow.Request, x.Input = nil, []byte(`{"args": [`+strings.Repeat("0,", 5000)+`0]}`)
		}, reason: reasonInvalidRequest, message: "there are 5001 arguments"},
		"many fields":  {request: func(x *r) { x.Input.Payloads = slices.Repeat([]*commonpb.Payload{{}}, 50_000) }, reason: reasonInvalidRequest, message: "more than 10000 fields"},
		"no workspace": {item: func(x *dispatch.Execution) { x.WorkspaceName, x.Plan, x.Weight = nil, nil, nil }, reason: reasonWorkspaceGone, message: "no longer exists"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r := &frontend{}, fullRequest(t)
			if c.request != nil {
				c.request(r)
			}
			x := workflowItem(t, r)
			if c.item != nil {
				c.item(&x)
			}
			got, err := startAt(t, pool, f, x)
			require.NoError(t, err)
			require.Empty(t, f.started)
			require.NotNil(t, got.failed)
			require.Equal(t, c.reason, got.failed.Reason)
			require.Contains(t, got.failed.Error, c.message)
			require.True(t, got.failed.Permanent)
		})
	}
}

// Where an operator has given task queues a form of their own, another workspace's is refused in that form too, at the start again: a
// definition may have been applied before, or written by hand.
func TestATaskQueueOfAnotherWorkspaceIsNotStartedOn(t *testing.T) {
	t.Parallel()
	pool := database(t)
	_, err := pool.Exec(t.Context(), `UPDATE sluice.settings SET task_queue = 'tenant-{workspace}/x'`)
	require.NoError(t, err)
	own := execution().WorkspaceID.String()
	for queue, fine := range map[string]bool{"tenant-" + own + "/x": true, "tenant-" + uuid.NewString() + "/x": false, "tenant-" + uuid.NewString(): true, "invoices": true} {
		r := fullRequest(t)
		r.TaskQueue.Name = queue
		node := execution()
		node.Graph = []byte(`{"nodes":[{"name":"step","type":"workflow","config":{"workflowType":"Bill","taskQueue":"` + queue + `"}}]}`)
		for reason, x := range map[string]dispatch.Execution{reasonInvalidRequest: workflowItem(t, r), reasonInvalidGraph: node} {
			f := &frontend{}
			got, err := startAt(t, pool, f, x)
			require.NoError(t, err)
			if fine {
				require.Nil(t, got.failed, queue)
				continue
			}
			require.Empty(t, f.started)
			require.NotNil(t, got.failed, queue)
			require.Equal(t, reason, got.failed.Reason)
			require.Contains(t, got.failed.Error, "is another workspace's")
			require.True(t, got.failed.Permanent)
		}
	}
}

func TestAnIDThatIsTaken(t *testing.T) {
	t.Parallel()
	pool := database(t)
	const (
		running   = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
		completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		failed    = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
	)
	item, other := execution().ID, uuid.New()
	for name, c := range map[string]struct {
		wait  bool
		reuse enumspb.WorkflowIdReusePolicy
		runs  func(f *frontend)
		want  answer // of the failure only what it leads to
		says  string
	}{
		"by a stranger": {runs: func(f *frontend) { f.has("bill-7", "a", "a", running, nil, nil) },
			want: answer{failed: &store.FailedStart{Permanent: true}}, says: "workflow bill-7 is open: run a of type Bill on task queue bills"},
		"by another of its workspace": {runs: func(f *frontend) {
			f.workspace = execution().WorkspaceID.String()
			f.has("bill-7", "a", "a", running, ofItem(other), nil)
		}, want: answer{failed: &store.FailedStart{Permanent: true}}, says: "workflow bill-7 is open: run a of type Bill on task queue bills"},
		"by one of another workspace": {runs: func(f *frontend) {
			f.workspace = uuid.NewString()
			f.has("bill-7", "a", "a", running, ofItem(other), nil)
		}, want: answer{failed: &store.FailedStart{Permanent: true}}, says: "workflow bill-7 is open: it is another workspace's"},
		"by a stranger, and it waits": {wait: true, runs: func(f *frontend) { f.has("bill-7", "a", "a", running, nil, nil) },
			want: answer{failed: &store.FailedStart{Waits: true}}, says: "is open"},
		"by a stranger that has closed meanwhile, and it waits": {wait: true, runs: func(f *frontend) { f.has("bill-7", "a", "a", completed, nil, nil) },
			want: answer{failed: &store.FailedStart{Waits: true}}},
		"by one that is over, for good": {wait: true, reuse: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, runs: func(f *frontend) { f.has("bill-7", "a", "a", failed, nil, nil) },
			want: answer{failed: &store.FailedStart{Permanent: true}}, says: "reuse policy does not allow another"},
		"by one that has completed, where only failed ones are repeated": {wait: true, reuse: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
			runs: func(f *frontend) { f.has("bill-7", "a", "a", completed, nil, nil) }, want: answer{failed: &store.FailedStart{Permanent: true}}, says: "reuse policy"},
		"by its own chain, which has continued as new": {runs: func(f *frontend) {
			f.has("bill-7", "c", "a", running, nil, nil)
			f.has("bill-7", "a", "a", enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, ofItem(item), nil)
		}, want: answer{run: "a"}},
		"by its own, which denies it": {runs: func(f *frontend) { f.has("bill-7", "a", "a", running, ofItem(item), ofItem(other)) }, want: answer{run: "a"}},
		"by another item's, which says that it is its": {runs: func(f *frontend) { f.has("bill-7", "a", "a", running, ofItem(other), ofItem(item)) },
			want: answer{failed: &store.FailedStart{Permanent: true}}, says: "is open"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r := &frontend{refuse: serviceerror.NewWorkflowExecutionAlreadyStarted("already started", "theirs", "")}, fullRequest(t)
			c.runs(f)
			r.WorkflowIdReusePolicy = c.reuse
			x := workflowItem(t, r)
			if c.wait {
				x.Input = []byte(`{"options": {"onConflict": "wait"}}`)
			}
			got, err := startAt(t, pool, f, x)
			require.NoError(t, err)
			if got.failed != nil {
				require.Equal(t, reasonIDTaken, got.failed.Reason)
				require.Contains(t, got.failed.Error, c.says)
				got.failed.Reason, got.failed.Error = "", ""
			}
			require.Equal(t, c.want, got)
			require.Equal(t, []int32{1}, f.pages, "of a history, which may be long, the beginning is read")
		})
	}
}

// The server takes a repeated start for a new one when the first one's run is not the newest of its id any more, and is closed.
func TestAStartThatMayBeARepeatedOneLooksForTheFirst(t *testing.T) {
	t.Parallel()
	pool := database(t)
	const completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	item := execution().ID
	continued := func(f *frontend) {
		f.has("bill-7", "c", "a", completed, nil, nil)
		f.has("bill-7", "a", "a", enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, ofItem(item), nil)
	}
	for name, c := range map[string]struct {
		runs    func(f *frontend)
		claimed time.Time // zero: it was read
		want    string
	}{
		"none": {runs: func(*frontend) {}, want: "new"},
		"it has run, continued as new and closed":                                {want: "a", runs: continued},
		"it has run, continued as new and closed while this process stood still": {claimed: time.Now().Add(-10 * time.Second), want: "a", runs: continued},
		"it has run, and its id was used again": {want: "a", runs: func(f *frontend) {
			f.has("bill-7", "b", "b", completed, ofItem(uuid.New()), nil)
			f.has("bill-7", "a", "a", completed, ofItem(item), ofItem(item))
		}},
		"others have run": {want: "new", runs: func(f *frontend) {
			f.has("bill-7", "b", "b", completed, ofItem(uuid.New()), ofItem(item))
			f.has("bill-8", "a", "a", completed, ofItem(item), ofItem(item))
		}},
		"it is the first one": {claimed: time.Now(), want: "new", runs: func(f *frontend) { f.has("bill-7", "b", "b", completed, nil, nil) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r := &frontend{}, fullRequest(t)
			c.runs(f)
			r.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
			x := workflowItem(t, r)
			x.Claimed = c.claimed
			got, err := startAt(t, pool, f, x)
			require.NoError(t, err)
			require.Equal(t, answer{run: c.want}, got)
			require.Equal(t, c.want == "new", len(f.started) == 1)
		})
	}
}

// A process that stalls is taken for dead, and another one starts what it has in hand.
func TestAStartLooksAgainForTheFirstIfItsProcessHasStalledAsItLooked(t *testing.T) {
	t.Parallel()
	pool := database(t)
	for name, c := range map[string]struct {
		started bool
		want    string
	}{"and it was started": {true, "a"}, "and it was not, and Temporal may be slow": {false, "new"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, r, looks := &frontend{}, fullRequest(t), 0
			f.looked = func() {
				if looks++; looks == 1 && c.started {
					f.has("bill-7", "b", "b", enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, nil, nil) // with its id
					f.has("bill-7", "a", "a", enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, ofItem(execution().ID), ofItem(execution().ID))
				}
				<-time.After(aloneFor + 100*time.Millisecond)
			}
			r.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
			x := workflowItem(t, r)
			x.Claimed = time.Time{}
			got, err := startAt(t, pool, f, x)
			require.NoError(t, err)
			require.Equal(t, answer{run: c.want}, got)
			require.Equal(t, 2, looks)
		})
	}
}

// A search attribute that the namespace does not have is the item's fault; one of Sluice's own is the operator's to add.
func TestAnUnknownSearchAttributeEndsItsItemAlone(t *testing.T) {
	t.Parallel()
	pool := database(t)
	for message, permanent := range map[string]bool{
		"Namespace default has no mapping defined for search attribute Customer":          true,
		"Namespace default has no mapping defined for search attribute SluiceQueueItemId": false,
	} {
		got, err := startAt(t, pool, &frontend{refuse: serviceerror.NewInvalidArgument(message)}, workflowItem(t, fullRequest(t)))
		if !permanent {
			require.ErrorContains(t, err, message)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, reasonRefused, got.failed.Reason)
		require.Contains(t, got.failed.Error, message)
		require.True(t, got.failed.Permanent)
	}
}
