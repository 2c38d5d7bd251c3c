package activities

import (
	"context"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/metric"
	"sluice/internal/recovery"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// RecordOutcome ends an execution in Postgres, which frees its slot and tells the dispatcher. Those that end at the same
// time share a statement. It counts only from the execution's own workflow, whose id and run Temporal tells: what a workflow
// says of itself may be another's. And only from type Execution, which ends when it has said so: a workflow of a caller's own could run on
// without a slot. That it is this type's code, and no other of its name, a local activity shows.
func (a *Activities) RecordOutcome(ctx context.Context, o workflows.Outcome) error {
	info := activity.GetInfo(ctx)
	caller := info.WorkflowExecution
	if !info.IsLocalActivity || info.WorkflowType.Name != workflows.ExecutionType {
		return refusedCaller(info, "not of Sluice itself")
	}
	if caller.ID != workflows.ExecutionID(o.ExecutionID) {
		return temporal.NewNonRetryableApplicationError("workflow "+caller.ID+" is not that of execution "+o.ExecutionID.String()+
			": its outcome is not recorded", "RefusedRequest", nil)
	}
	o.RunID = caller.RunID
	outcome, err := recovery.OutcomeOf(o)
	if err != nil {
		return temporalError(err)
	}
	recorded, err := a.recorder.Record(ctx, outcome)
	if recorded {
		metric.Ended.Add(activity.GetMetricsHandler(ctx), 1, o.Status, "execution")
	}
	return temporalError(err)
}

// LogAction records an operator's action on the dispatcher.
func (a *Activities) LogAction(ctx context.Context, action workflows.Action) error {
	entry := catalog.Activity{Actor: action.Actor, Action: action.Action, Details: action.Details}
	if action.Reason != "" {
		entry.Reason = &action.Reason
	}
	return temporalError(catalog.Log(ctx, a.pool, entry))
}
