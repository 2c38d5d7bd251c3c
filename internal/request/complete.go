package request

import (
	"cmp"
	"maps"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	taskqueuepb "go.temporal.io/api/taskqueue/v1"
)

// MemoItem is the key under which a workflow's memo has the id of its item. A memo goes along with continue-as-new.
const MemoItem = "sluiceItem"

// Start is what is Sluice's to say of a workflow that is started.
type Start struct {
	Namespace  string
	Identity   string
	Item       uuid.UUID // also the id by which a repeated start is known for the same one
	Workspace  uuid.UUID
	Weight     float32
	Priority   int32
	Type       string // of the item, where the request says nothing
	TaskQueue  string
	ID         string
	Attributes map[string]string // search attributes of type Keyword
}

// Complete returns the request as it is sent. The caller's own is not changed.
func (s Start) Complete(r *workflowservice.StartWorkflowExecutionRequest) *workflowservice.StartWorkflowExecutionRequest {
	r = proto.Clone(r).(*workflowservice.StartWorkflowExecutionRequest)
	r.Namespace, r.Identity, r.RequestId, r.WorkflowId = s.Namespace, s.Identity, s.Item.String(), s.ID
	r.RequestEagerExecution, r.EagerWorkerDeploymentOptions = false, nil
	r.WorkflowStartDelay = nil // the item has waited for it
	if r.GetWorkflowType().GetName() == "" {
		r.WorkflowType = &commonpb.WorkflowType{Name: s.Type}
	}
	r.TaskQueue = &taskqueuepb.TaskQueue{Name: cmp.Or(r.GetTaskQueue().GetName(), s.TaskQueue), Kind: enumspb.TASK_QUEUE_KIND_NORMAL}
	if s.ID == "execution-"+s.Item.String() {
		// Nobody else starts a workflow of this id, so a start that comes late finds that it has been.
		r.WorkflowIdReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	r.WorkflowIdConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	priority := &commonpb.Priority{PriorityKey: r.GetPriority().GetPriorityKey(), FairnessKey: s.Workspace.String(), FairnessWeight: s.Weight}
	if priority.PriorityKey == 0 {
		priority.PriorityKey = s.Priority
	}
	r.Priority = priority
	r.Memo = &commonpb.Memo{Fields: with(r.GetMemo().GetFields(), map[string]string{MemoItem: s.Item.String()})}
	r.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: with(r.GetSearchAttributes().GetIndexedFields(), s.Attributes)}
	return r
}

// with returns fields and others beside them, as JSON; the others win.
func with(fields map[string]*commonpb.Payload, others map[string]string) map[string]*commonpb.Payload {
	all := make(map[string]*commonpb.Payload, len(fields)+len(others))
	maps.Copy(all, fields)
	for name, value := range others {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			continue // a string can be encoded
		}
		all[name] = payload
	}
	return all
}
