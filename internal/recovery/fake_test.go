package recovery

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/workflows"
)

// temporal is a Temporal that knows some workflows, and lists what it is told to list.
type temporal struct {
	client.Client
	mu        sync.Mutex
	workflows map[string]*workflow                // by their ids
	listed    []*workflowpb.WorkflowExecutionInfo // ten a page
	read      int                                 // of listed
	open      int64                               // how many it counts as open
	described int                                 // how often it was asked about a workflow
	lists     func(context.Context) error         // comes before a list or a count is answered
	describe  func(context.Context, string) error // comes before a workflow is described, by its id
	terminate func(context.Context) error         // comes before one is terminated
}

// workflow is the newest run of one.
type workflow struct {
	runID      string
	status     enumspb.WorkflowExecutionStatus
	taskQueue  string
	task       *workflowpb.PendingWorkflowTaskInfo
	output     string
	err        error
	children   []*workflowpb.PendingChildExecutionInfo
	newest     []*historypb.HistoryEvent // the newest first
	extended   *workflowpb.WorkflowExecutionExtendedInfo
	terminated string // the run that was asked to be

	startedFor uuid.UUID // the item that the event which began it names; zero: that of its id
	says       uuid.UUID // the item that its search attribute names by now; zero: the same
	first      string    // the first run of its chain; empty: it is that
	child      bool      // another workflow has started it
	earlier    []*workflow
}

// of is the run of this id; the newest for none.
func (w *workflow) of(runID string) *workflow {
	if w == nil || runID == "" || w.runID == runID {
		return w
	}
	for _, e := range w.earlier {
		if e.runID == runID {
			return e
		}
	}
	return nil
}

// attributes name an item.
func attributes(item uuid.UUID) *commonpb.SearchAttributes {
	if item == uuid.Nil {
		return nil
	}
	return &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{workflows.AttributeQueueItem: {Data: []byte(`"` + item.String() + `"`)}}}
}

// item is the one that a workflow was started for.
func (w *workflow) item(id string) uuid.UUID {
	if item, ok := workflows.ParseExecutionID(id); ok && w.startedFor == uuid.Nil {
		return item
	}
	return w.startedFor
}

func (w *workflow) parent() *commonpb.WorkflowExecution {
	if !w.child {
		return nil
	}
	return &commonpb.WorkflowExecution{WorkflowId: "its parent"}
}

func newTemporal() *temporal {
	return &temporal{workflows: map[string]*workflow{}, lists: func(context.Context) error { return nil }, describe: func(context.Context, string) error { return nil },
		terminate: func(context.Context) error { return nil }}
}

func (v *temporal) DescribeWorkflowExecution(ctx context.Context, id, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	v.mu.Lock()
	v.described++
	v.mu.Unlock()
	if err := v.describe(ctx, id); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.workflows[id].of(runID)
	if w == nil {
		return nil, serviceerror.NewNotFound("workflow not found for ID: " + id)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{PendingWorkflowTask: w.task, PendingChildren: w.children, WorkflowExecutionInfo: w.info(id), WorkflowExtendedInfo: w.extended}, nil
}

func (w *workflow) info(id string) *workflowpb.WorkflowExecutionInfo {
	says := w.says
	if says == uuid.Nil {
		says = w.item(id)
	}
	return &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: w.runID}, Status: w.status, TaskQueue: w.taskQueue,
		FirstRunId: cmp.Or(w.first, w.runID), ParentExecution: w.parent(), SearchAttributes: attributes(says)}
}

// GetWorkflowHistory has the first event only.
func (v *temporal) GetWorkflowHistory(_ context.Context, id, runID string, _ bool, _ enumspb.HistoryEventFilterType) client.HistoryEventIterator {
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.workflows[id].of(runID)
	if w == nil {
		return &firstEvent{err: serviceerror.NewNotFound("no such run")}
	}
	return &firstEvent{event: &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			ParentWorkflowExecution: w.parent(), SearchAttributes: attributes(w.item(id))}}}}
}

type firstEvent struct {
	event *historypb.HistoryEvent
	err   error
}

func (f *firstEvent) HasNext() bool                          { return true }
func (f *firstEvent) Next() (*historypb.HistoryEvent, error) { return f.event, f.err }

func (v *temporal) TerminateWorkflow(ctx context.Context, id, runID, reason string, _ ...any) error {
	if err := v.terminate(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	w := v.workflows[id]
	w.terminated, w.status, w.err = runID, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, errors.New("terminated")
	w.newest = []*historypb.HistoryEvent{terminatedEvent("recovery", reason)}
	return nil
}

func terminatedEvent(identity, reason string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{
		WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{Identity: identity, Reason: reason}}}
}

// service answers what the client has no method for.
type service struct {
	workflowservice.WorkflowServiceClient
	v *temporal
}

func (v *temporal) WorkflowService() workflowservice.WorkflowServiceClient { return service{v: v} }

func (s service) GetWorkflowExecutionHistoryReverse(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryReverseRequest,
	_ ...grpc.CallOption,
) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	s.v.mu.Lock()
	defer s.v.mu.Unlock()
	w := s.v.workflows[r.GetExecution().GetWorkflowId()].of(r.GetExecution().GetRunId())
	if w == nil || r.GetNamespace() != client.DefaultNamespace {
		return nil, serviceerror.NewNotFound("no such run")
	}
	var refused serviceerror.ServiceError
	if errors.As(w.err, &refused) {
		return nil, w.err
	}
	newest := w.newest
	if event := w.closed(); event != nil && len(newest) == 0 {
		newest = []*historypb.HistoryEvent{event}
	}
	return &workflowservice.GetWorkflowExecutionHistoryReverseResponse{
		History: &historypb.History{Events: newest[:min(len(newest), int(r.GetMaximumPageSize()))]}}, nil
}

// closed is the event that closed it.
func (w *workflow) closed() *historypb.HistoryEvent {
	switch w.status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{
			WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{Result: &commonpb.Payloads{Payloads: []*commonpb.Payload{
				{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(w.output)}}}}}}
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
			WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: &failurepb.Failure{Message: w.err.Error()}}}}
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionCanceledEventAttributes{
			WorkflowExecutionCanceledEventAttributes: &historypb.WorkflowExecutionCanceledEventAttributes{}}}
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return &historypb.HistoryEvent{Attributes: &historypb.HistoryEvent_WorkflowExecutionTimedOutEventAttributes{
			WorkflowExecutionTimedOutEventAttributes: &historypb.WorkflowExecutionTimedOutEventAttributes{}}}
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return terminatedEvent("", w.err.Error())
	}
	return nil
}

var moments = regexp.MustCompile(`\d{4}-[^']*`)

// times are those of a query, in their order.
func times(t string) (at []time.Time) {
	for _, found := range moments.FindAllString(t, -1) {
		moment, err := time.Parse(time.RFC3339Nano, found)
		if err != nil {
			panic(err)
		}
		at = append(at, moment)
	}
	return at
}

func closedSince(info *workflowpb.WorkflowExecutionInfo, since time.Time) bool {
	return info.CloseTime != nil && !info.CloseTime.AsTime().Before(since)
}

func (v *temporal) CountWorkflow(ctx context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	if err := v.lists(ctx); err != nil {
		return nil, err
	}
	at, n := times(r.GetQuery()), int64(0)
	if len(at) == 0 {
		return &workflowservice.CountWorkflowExecutionsResponse{Count: v.open}, nil
	}
	for _, info := range v.listed {
		if closedSince(info, at[0]) && !closedSince(info, at[1]) {
			n++
		}
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, nil
}

func (v *temporal) ListWorkflow(ctx context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if err := v.lists(ctx); err != nil {
		return nil, err
	}
	if _, item, ok := strings.Cut(r.GetQuery(), workflows.AttributeQueueItem+" = "); ok {
		return &workflowservice.ListWorkflowExecutionsResponse{Executions: slices.DeleteFunc(slices.Clone(v.listed), func(info *workflowpb.WorkflowExecutionInfo) bool {
			named, _ := ItemNamed(info.GetSearchAttributes())
			return "'"+named.String()+"'" != item
		})}, nil
	}
	at, open := times(r.GetQuery()), strings.Contains(r.GetQuery(), "Running")
	found := slices.DeleteFunc(slices.Clone(v.listed), func(info *workflowpb.WorkflowExecutionInfo) bool {
		if open {
			return info.CloseTime != nil || len(at) > 0 && info.StartTime.AsTime().Before(at[0])
		}
		return !closedSince(info, at[0]) || closedSince(info, at[1])
	})
	slices.SortStableFunc(found, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return b.StartTime.AsTime().Compare(a.StartTime.AsTime())
	}) // as Temporal does
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	place := len(r.GetNextPageToken())
	if place > len(found) {
		return nil, serviceerror.NewInvalidArgument("unknown page token")
	}
	answer.Executions = found[place:min(place+10, len(found))]
	v.read += len(answer.Executions)
	if place+10 < len(found) {
		answer.NextPageToken = []byte(strings.Repeat("x", place+10))
	}
	return answer, nil
}

// show lists a run that closed at a moment, or started then and is open.
func (v *temporal) show(workflowID, runID string, at time.Time, open bool) {
	w := &workflow{runID: runID, status: enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED}
	if open {
		w.status = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	}
	v.list(w.info(workflowID), at)
}

// list lists a run that closed at a moment, or started then if it is open.
func (v *temporal) list(info *workflowpb.WorkflowExecutionInfo, at time.Time) {
	info.StartTime = timestamppb.New(at)
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		info.CloseTime = timestamppb.New(at)
	}
	v.listed = append(v.listed, info)
}
