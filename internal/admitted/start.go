package admitted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"sluice/internal/bounds"
	"sluice/queue"
	"sluice/workflows"
)

// sameStartFor is how long after its end an item goes on answering for repetitions of its start: a client that got no answer asks
// again for a minute by default.
const sameStartFor = time.Hour

// triggerType of admitted items. By it and the prefix of their unique keys a replay knows the key that goes on to the new item.
const triggerType = "CLIENT"

// start enqueues a workflow that is started in a workspace's name.
func (c *Calls) start(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest, reply proto.Message, forward Forward, describe Describe) error {
	key := ""
	if !isOwn(r) {
		key = c.WorkspaceOf(ctx, r)
	}
	if key == "" {
		c.count(r)
		return forward(ctx, r)
	}
	if err := refused(r); err != nil {
		return asStatus(err)
	}
	if err := c.allowed(ctx, r); err != nil {
		return asStatus(err)
	}
	workspace, err := c.Queue.Workspace(ctx, key)
	if err != nil {
		return asStatus(err)
	}
	answer, err := c.enqueue(ctx, r, workspace, describe)
	if err != nil {
		return asStatus(err)
	}
	proto.Merge(reply, answer)
	return nil
}

// isOwn recognises the starts of a dispatcher that has been pointed at a gateway.
func isOwn(r *workflowservice.StartWorkflowExecutionRequest) bool {
	_, item := r.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem]
	return item
}

// refused says what of a start the queue cannot keep, and what to do instead.
func refused(r *workflowservice.StartWorkflowExecutionRequest) error {
	switch {
	case r.GetWorkflowId() == "":
		return serviceerror.NewInvalidArgument("sluice: the start has no workflow id")
	case r.GetRequestId() == "":
		return serviceerror.NewInvalidArgument("sluice: the start has no request id, by which a repetition is known")
	case r.GetCronSchedule() != "":
		return serviceerror.NewInvalidArgument("sluice: a cron schedule cannot be admitted, since Temporal starts its later runs by itself: " +
			"let a Temporal schedule start a workflow that enqueues, or start it in no workspace's name")
	case r.GetWorkflowIdConflictPolicy() == enums.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
		//lint:ignore SA1019 clients send it all the same
		r.GetWorkflowIdReusePolicy() == enums.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING:
		return serviceerror.NewInvalidArgument("sluice: a start that terminates the running workflow cannot be admitted: terminate that first, then start")
	case r.GetWorkflowIdConflictPolicy() == enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING && r.GetOnConflictOptions().GetAttachCompletionCallbacks():
		return serviceerror.NewInvalidArgument("sluice: completion callbacks cannot be attached to a workflow that waits in the queue: " +
			"leave the conflict policy out, or start it in no workspace's name")
	case len(r.GetCompletionCallbacks()) > 0:
		return serviceerror.NewInvalidArgument("sluice: a start with completion callbacks, such as that of a Nexus operation, cannot be admitted, since " +
			"Temporal would call wherever it may call Sluice: let the operation start a workflow in no workspace's name, and that one this one")
	}
	return nil
}

// enqueue makes an item of the start, or finds the one that holds its workflow id. The id is the unique key of items, so that of two
// starts at once only one makes an item.
func (c *Calls) enqueue(
	ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest, workspace uuid.UUID, describe Describe,
) (*workflowservice.StartWorkflowExecutionResponse, error) {
	item := itemOf(r, workspace)
	for {
		answer, err := c.Queue.Enqueue(ctx, item)
		if err != nil {
			return nil, err
		}
		first := r
		if !answer.New() {
			if first, err = c.Queue.Request(ctx, answer.QueueID); err != nil {
				return nil, err
			}
		}
		if first.GetRequestId() == r.GetRequestId() {
			return &workflowservice.StartWorkflowExecutionResponse{
				RunId: answer.QueueID.String(), Started: true, Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}, nil
		}
		holder, err := c.Queue.Get(ctx, answer.QueueID)
		if err != nil {
			return nil, err
		}
		if holder, err = c.onRecord(ctx, holder, describe); err != nil {
			return nil, err
		}
		if !mayFollow(holder, r.GetWorkflowIdReusePolicy()) {
			return existing(holder, first, r)
		}
		_, err = c.Queue.ReleaseKey(ctx, workspace, item.UniqueKey, actor(r.GetIdentity()))
		if err != nil && !errors.Is(err, queue.ErrKeyHeld) { // held: another start came first
			return nil, err
		}
	}
}

// endRecorded is how long a start waits at most for the record of an end that Temporal knows already. Recovery takes 2 s, where nothing
// else tells of the end.
const endRecorded = 5 * time.Second

// onRecord returns the holder of a workflow id after its end has been recorded, if its workflow has closed at Temporal. A caller that
// has awaited the workflow may start the next one earlier than that, and must not be answered with the one that is over.
func (c *Calls) onRecord(ctx context.Context, holder queue.State, describe Describe) (queue.State, error) {
	if holder.Done() || holder.Status == "PENDING" {
		return holder, nil
	}
	closed, err := c.closed(ctx, holder, describe)
	if err != nil || !closed {
		return holder, err
	}
	limited, cancel := limit(ctx, endRecorded)
	defer cancel()
	now, err := c.await(limited, holder, func(s queue.State) bool { return !s.Done() })
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return holder, serviceerror.NewUnavailablef("sluice: workflow %s has closed, and the end of item %s is not recorded yet", holder.WorkflowID, holder.ID)
	}
	return now, err
}

// closed asks Temporal whether the workflow of an item that is claimed or runs on record is over. It describes the newest run of the id. If
// the item has been started, its workflow is over when that run is closed, even if it is another's, and when there is none, because it was
// deleted. If the item is still being started, the run may be an earlier one: it counts only if it names the item.
func (c *Calls) closed(ctx context.Context, item queue.State, describe Describe) (bool, error) {
	described, err := describe(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: c.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: item.WorkflowID}})
	if status.Code(err) == codes.NotFound {
		return !isClaimed(item), nil
	}
	if err != nil {
		return false, err // nobody knows: to answer that it runs could lose this start
	}
	info := described.GetWorkflowExecutionInfo()
	if info.GetCloseTime() == nil || !isClaimed(item) {
		return info.GetCloseTime() != nil, nil
	}
	var of string
	_ = json.Unmarshal(info.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem].GetData(), &of)
	return of == item.ID.String(), nil
}

// itemOf is what a start becomes. The request is stored without what is settled here already.
func itemOf(r *workflowservice.StartWorkflowExecutionRequest, workspace uuid.UUID) queue.Item {
	stored := proto.CloneOf(r)
	stored.WorkflowIdConflictPolicy, stored.OnConflictOptions = enums.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED, nil
	stored.RequestEagerExecution, stored.EagerWorkerDeploymentOptions = false, nil
	return queue.Item{
		WorkspaceID: workspace, Workflow: &queue.Workflow{Request: stored}, Priority: int(r.GetPriority().GetPriorityKey()),
		UniqueKey: uniqueKey(r.GetWorkflowId()), UniqueFor: sameStartFor,
		EnqueuedBy: actor(r.GetIdentity()), TriggerType: triggerType,
	}
}

// mayFollow says whether another start of the holder's workflow id may come after it.
func mayFollow(holder queue.State, policy enums.WorkflowIdReusePolicy) bool {
	switch {
	case !holder.Done():
		return false
	case neverStarted(holder):
		return true
	case policy == enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE:
		return false
	case policy == enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY:
		return *holder.ExecutionStatus != "COMPLETED"
	}
	return true
}

// existing answers a start whose workflow id another item holds, as Temporal does for a workflow.
func existing(holder queue.State, first, r *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	if !holder.Done() && r.GetWorkflowIdConflictPolicy() == enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
		return &workflowservice.StartWorkflowExecutionResponse{RunId: holder.ID.String(), Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING}, nil
	}
	message := "sluice: the workflow waits in the queue already"
	switch {
	case holder.Done():
		message = "sluice: the workflow has ended, and its id may not be used again"
	case !isQueued(holder):
		message = "sluice: the workflow runs already"
	}
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted(message, first.GetRequestId(), holder.ID.String())
}

// uniqueKey is the key of items with a workflow id, which may be longer than a key.
func uniqueKey(workflowID string) string {
	const prefix = "workflow/"
	if len(prefix)+len(workflowID) <= bounds.MaxKey {
		return prefix + workflowID
	}
	sum := sha256.Sum256([]byte(workflowID))
	return prefix + hex.EncodeToString(sum[:])
}

// actor is the identity of a client as far as the activity log takes it.
func actor(identity string) string {
	if bounds.Words(identity) != nil {
		return "client"
	}
	return identity
}

// shortened cuts a text to so many characters.
func shortened(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most])
}
