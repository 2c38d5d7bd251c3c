package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"sluice/internal/recovery"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// RecordOutcome ends an execution in Postgres, which frees its slot and tells the dispatcher. Those that end at the same
// time share a statement.
func (a *Activities) RecordOutcome(ctx context.Context, o workflows.Outcome) error {
	outcome, err := recovery.OutcomeOf(o)
	if err != nil {
		return temporalError(err)
	}
	recorded, err := a.recorder.Record(ctx, outcome)
	if recorded {
		activity.GetMetricsHandler(ctx).WithTags(map[string]string{"status": o.Status}).Counter("sluice_executions_ended").Inc(1)
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
