package recovery

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/workflows"
)

// IsOf tells whether a run is of an item's workflow. A workflow id says nothing: one of a caller's own may be another workflow's before
// and afterwards, and a child may have any. Nor does a search attribute: a workflow can change its own.
func IsOf(ctx context.Context, c client.Client, info *workflowpb.WorkflowExecutionInfo, k store.Known) (bool, error) {
	if k.RunID != "" && (k.RunID == info.GetExecution().GetRunId() || k.RunID == info.GetFirstRunId()) {
		return true, nil
	}
	item, ok, err := StartedFor(ctx, c, info)
	return ok && item == k.ItemID, err
}

// StartedFor returns the item for which a workflow was started, as the event says that began the first run of its chain: a workflow
// cannot change that, whatever its code does to its search attributes and its memo. It is false for a child, which has what its parent
// gives it. Where that event is past its retention, the search attribute of the run at hand counts.
func StartedFor(ctx context.Context, c client.Client, info *workflowpb.WorkflowExecutionInfo) (item uuid.UUID, ok bool, err error) {
	if info.GetParentExecution() != nil {
		return uuid.Nil, false, nil
	}
	id, first := info.GetExecution().GetWorkflowId(), cmp.Or(info.GetFirstRunId(), info.GetExecution().GetRunId())
	events := c.GetWorkflowHistory(request.OfFirstEvent(ctx), id, first, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		item, ok = ItemNamed(info.GetSearchAttributes())
		return item, ok, nil
	}
	event, err := events.Next()
	switch {
	case isNotFound(err):
		item, ok = ItemNamed(info.GetSearchAttributes())
		return item, ok, nil
	case err != nil:
		return uuid.Nil, false, fmt.Errorf("read how %s began: %w", id, err)
	}
	began := event.GetWorkflowExecutionStartedEventAttributes()
	if began.GetParentWorkflowExecution() != nil {
		return uuid.Nil, false, nil
	}
	item, ok = ItemNamed(began.GetSearchAttributes())
	return item, ok, nil
}

// EarlierRun looks for a run that was started for an item under an id that is in use for another by now. It is nil when there is none.
func EarlierRun(ctx context.Context, c client.Client, item uuid.UUID, workflowID string) (*workflowpb.WorkflowExecutionInfo, error) {
	listed, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 10, Query: fmt.Sprintf("%s = '%s'", workflows.AttributeQueueItem, item)})
	if err != nil {
		return nil, fmt.Errorf("look for an earlier start of %s: %w", workflowID, err)
	}
	for _, info := range listed.GetExecutions() {
		if info.GetExecution().GetWorkflowId() != workflowID {
			continue
		}
		if of, ok, err := StartedFor(ctx, c, info); err != nil || ok && of == item {
			return info, err
		}
	}
	return nil, nil
}

// ItemNamed is the item that search attributes name. A workflow can change its own.
func ItemNamed(attributes *commonpb.SearchAttributes) (item uuid.UUID, ok bool) {
	var text string
	if err := json.Unmarshal(attributes.GetIndexedFields()[workflows.AttributeQueueItem].GetData(), &text); err != nil {
		return uuid.Nil, false
	}
	item, err := uuid.Parse(text)
	return item, err == nil
}
