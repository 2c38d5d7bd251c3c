package admitted

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
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
func (c *Calls) start(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest, reply proto.Message, forward Forward) error {
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
	answer, err := c.enqueue(ctx, r, workspace)
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
func (c *Calls) enqueue(ctx context.Context, r *workflowservice.StartWorkflowExecutionRequest, workspace uuid.UUID) (*workflowservice.StartWorkflowExecutionResponse, error) {
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
		if !mayFollow(holder, r.GetWorkflowIdReusePolicy()) {
			return existing(holder, first, r)
		}
		_, err = c.Queue.ReleaseKey(ctx, workspace, item.UniqueKey, actor(r.GetIdentity()))
		if err != nil && !errors.Is(err, queue.ErrKeyHeld) { // held: another start came first
			return nil, err
		}
	}
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
