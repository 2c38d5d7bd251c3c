package activities

import (
	"context"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/activity"

	"sluice/queue"
	"sluice/workflows"
)

// RecordOutcome ends an execution in Postgres, which frees its slot and rings the dispatcher. Those that end at the same
// time share a statement.
func (a *Activities) RecordOutcome(ctx context.Context, o workflows.Outcome) error {
	outcome, err := queueOutcome(o)
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
	entry := queue.Activity{Actor: action.Actor, Action: action.Action, Details: action.Details}
	if action.Reason != "" {
		entry.Reason = &action.Reason
	}
	return temporalError(a.queue.Log(ctx, entry))
}

func (a *Activities) record(ctx context.Context, o workflows.Outcome) (bool, error) {
	outcome, err := queueOutcome(o)
	if err != nil {
		return false, err
	}
	return a.queue.RecordOutcome(ctx, outcome)
}

func (a *Activities) supersede(ctx context.Context, o workflows.Outcome) (bool, error) {
	outcome, err := queueOutcome(o)
	if err != nil {
		return false, err
	}
	return a.queue.Supersede(ctx, outcome)
}

func queueOutcome(o workflows.Outcome) (queue.Outcome, error) {
	outcome := queue.Outcome{ExecutionID: o.ExecutionID, RunID: o.RunID, Status: o.Status, Output: o.Output}
	if o.Error != nil {
		raw, err := json.Marshal(o.Error)
		if err != nil {
			return outcome, fmt.Errorf("encode outcome error: %w", err)
		}
		outcome.Error = raw
	}
	return outcome, nil
}
