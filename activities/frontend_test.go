package activities

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/internal/request"
)

// frontend is one of Temporal that keeps the starts it is asked for. It knows the runs that the test gives it, the newest of an id first.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	mu      sync.Mutex
	started []*workflowservice.StartWorkflowExecutionRequest
	refuse  error                         // what it says to a start
	allows  enumspb.WorkflowIdReusePolicy // but not to one of this policy
	runs    []frontendRun
	pages   []int32 // how many events reads of histories have asked for; 0: as many as a page has

	looked func() // comes between a description and its answer, if it is not nil

	workspace string // in whose name the runs are that are added
}

// frontendRun is a run, and what the event says that began the first of its chain.
type frontendRun struct {
	info  *workflowpb.WorkflowExecutionInfo
	began *historypb.WorkflowExecutionStartedEventAttributes
}

// dial returns a client whose calls this frontend answers.
func (f *frontend) dial(t *testing.T) client.Client {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(8 << 20))
	workflowservice.RegisterWorkflowServiceServer(server, f)
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		server.Stop()
		served.Wait()
	})
	options := client.Options{HostPort: "passthrough:///frontend", Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) })}}}
	request.Install(&options)
	c, err := client.NewLazyClient(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (f *frontend) StartWorkflowExecution(_ context.Context, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, r)
	if f.refuse != nil && (f.allows == 0 || r.GetWorkflowIdReusePolicy() != f.allows) {
		return nil, serviceerror.ToStatus(f.refuse).Err()
	}
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "new"}, nil
}

func (f *frontend) find(id, run string) *frontendRun {
	for i, r := range f.runs {
		if e := r.info.GetExecution(); e.GetWorkflowId() == id && (run == "" || e.GetRunId() == run) {
			return &f.runs[i]
		}
	}
	return nil
}

func (f *frontend) DescribeWorkflowExecution(_ context.Context, r *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.find(r.GetExecution().GetWorkflowId(), r.GetExecution().GetRunId())
	if f.looked != nil {
		f.looked()
	}
	if found != nil {
		return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: found.info}, nil
	}
	return nil, serviceerror.ToStatus(serviceerror.NewNotFound("no such workflow")).Err()
}

func (f *frontend) GetWorkflowExecutionHistory(_ context.Context, r *workflowservice.GetWorkflowExecutionHistoryRequest) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages = append(f.pages, r.GetMaximumPageSize())
	found := f.find(r.GetExecution().GetWorkflowId(), r.GetExecution().GetRunId())
	if found == nil {
		return nil, serviceerror.ToStatus(serviceerror.NewNotFound("no such run")).Err()
	}
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: []*historypb.HistoryEvent{{
		EventType:  enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: found.began}}}}}, nil
}

// ListWorkflowExecutions lists all runs, whatever is asked for: what they say of themselves counts for nothing.
func (f *frontend) ListWorkflowExecutions(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, r := range f.runs {
		list.Executions = append(list.Executions, r.info)
	}
	return list, nil
}

// has adds a run of a workflow, older than those that it has of its id, and of a chain that began with the first run.
func (f *frontend) has(id, run, first string, status enumspb.WorkflowExecutionStatus, startedFor, says *commonpb.SearchAttributes) {
	info := &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run}, FirstRunId: first, Status: status,
		Type: &commonpb.WorkflowType{Name: "Bill"}, TaskQueue: "bills", SearchAttributes: says}
	if status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		info.CloseTime = timestamppb.Now()
	}
	if f.workspace != "" {
		info.Priority = &commonpb.Priority{FairnessKey: f.workspace}
	}
	f.runs = append(f.runs, frontendRun{info, &historypb.WorkflowExecutionStartedEventAttributes{SearchAttributes: startedFor}})
}
