package recovery

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/store"
)

const (
	// unservedAfter is how long a workflow task may wait for a worker, or fail, before its execution counts as unserved. A
	// healthy one waits milliseconds.
	unservedAfter = 10 * time.Second
	// refusedAfter is how long the server refuses what an execution's workflow task asks for before the execution is ended. It
	// asks for the same each time.
	refusedAfter = 30 * time.Second
	// childrenEach is how many children of an execution are looked at, the oldest first: one that does not move becomes that.
	childrenEach = 4
	// lastEvents is how far to look back for the failure of a workflow task.
	lastEvents = 8
	mostWhat   = 2000 // characters of an error
)

// stalled is why a workflow does not move; zero: it does.
type stalled struct {
	store.Unserved
	refused bool // by the server, for what the workflow's code asks for
	child   bool // it is a child that does not move; a worker may carry the workflow itself on
}

// unserved tells whether the workflow task of an execution, or of one of its children, waits for a worker or fails.
func (r *Recovery) unserved(ctx context.Context, w *workflowservice.DescribeWorkflowExecutionResponse) (stalled, error) {
	own, err := r.stalledTask(ctx, w, "its workflow task")
	if err != nil || own.For > 0 {
		return own, err
	}
	children := w.GetPendingChildren()
	slices.SortFunc(children, func(a, b *workflowpb.PendingChildExecutionInfo) int {
		return cmp.Compare(a.GetInitiatedId(), b.GetInitiatedId())
	})
	for _, child := range children[:min(len(children), childrenEach)] {
		if child.GetRunId() == "" {
			continue // it is being started
		}
		found, err := r.client.DescribeWorkflowExecution(ctx, child.GetWorkflowId(), child.GetRunId())
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return stalled{}, fmt.Errorf("describe %s: %w", child.GetWorkflowId(), err)
		}
		s, err := r.stalledTask(ctx, found, fmt.Sprintf("the workflow task of its child %s (type %s, task queue %s)", child.GetWorkflowId(),
			child.GetWorkflowTypeName(), found.GetWorkflowExecutionInfo().GetTaskQueue()))
		if err != nil || s.For > 0 {
			s.refused, s.child = false, true // what a child asks for is its code's affair
			return s, err
		}
	}
	return stalled{}, nil
}

func (r *Recovery) stalledTask(ctx context.Context, w *workflowservice.DescribeWorkflowExecutionResponse, whose string) (s stalled, err error) {
	task := w.GetPendingWorkflowTask()
	var problem string
	if task.GetAttempt() > 1 {
		var since time.Time
		if since, problem, s.refused, err = r.lastFailure(ctx, w.GetWorkflowExecutionInfo()); err != nil {
			return stalled{}, err
		}
		if !since.IsZero() {
			s.For = time.Since(since)
			s.What = fmt.Sprintf("%s fails (attempt %d): %s", whose, task.GetAttempt(), problem)
		}
	}
	if wait := untaken(task); s.For == 0 && wait >= unservedAfter {
		s.For, s.What = wait, "no worker takes "+whose
	}
	if s.For < unservedAfter {
		return stalled{}, nil
	}
	s.What = shorten(s.What)
	return s, nil
}

// untaken is how long a workflow task has been waiting for a worker; zero when there is none, or a worker has it.
func untaken(task *workflowpb.PendingWorkflowTaskInfo) time.Duration {
	if task.GetState() != enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED {
		return 0
	}
	return time.Since(task.GetScheduledTime().AsTime())
}

// lastFailure is when and why a workflow task failed that has been tried again since; zero if the history does not say.
// Temporal writes down the first failure of a row.
func (r *Recovery) lastFailure(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (at time.Time, why string, refused bool, err error) {
	events, err := r.newest(ctx, info, lastEvents)
	for _, event := range events {
		switch {
		case event.GetWorkflowTaskFailedEventAttributes() != nil:
			failed := event.GetWorkflowTaskFailedEventAttributes()
			why := rootMessage(failed.GetFailure())
			if why == "" {
				why = failed.GetCause().String()
			}
			return event.GetEventTime().AsTime(), why, refusals[failed.GetCause()] && !strings.Contains(strings.ToLower(why), "search attribute"), nil
		case event.GetWorkflowTaskTimedOutEventAttributes() != nil:
			return event.GetEventTime().AsTime(), "timed out: no worker has completed it", false, nil
		case event.GetWorkflowTaskCompletedEventAttributes() != nil:
			return time.Time{}, "", false, nil
		}
	}
	return time.Time{}, "", false, err
}

// refusals are what the server says when the code of a workflow asks for something that it will never take.
var refusals = map[enumspb.WorkflowTaskFailedCause]bool{
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_SCHEDULE_ACTIVITY_ATTRIBUTES:           true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_TIMER_ATTRIBUTES:                 true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_START_CHILD_EXECUTION_ATTRIBUTES:       true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_COMPLETE_WORKFLOW_EXECUTION_ATTRIBUTES: true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_BAD_FAIL_WORKFLOW_EXECUTION_ATTRIBUTES:     true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_GRPC_MESSAGE_TOO_LARGE:                     true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_PAYLOADS_TOO_LARGE:                         true,
	enumspb.WORKFLOW_TASK_FAILED_CAUSE_REQUEST_TOO_LARGE:                          true,
}

// newest are the last events of a run, the newest first.
func (r *Recovery) newest(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, most int32) ([]*historypb.HistoryEvent, error) {
	page, err := r.client.WorkflowService().GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: r.namespace(ctx), Execution: info.GetExecution(), MaximumPageSize: most,
	})
	if isNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", info.GetExecution().GetWorkflowId(), err)
	}
	return page.GetHistory().GetEvents(), nil
}

// rootMessage is that of the innermost cause.
func rootMessage(f *failurepb.Failure) string {
	for f.GetCause() != nil {
		f = f.GetCause()
	}
	return f.GetMessage()
}

func shorten(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
	if runes := []rune(text); len(runes) > mostWhat {
		return string(runes[:mostWhat]) + "…"
	}
	return text
}
