package operate

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"sluice/workflows"
)

func recoverySpec() client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: workflows.RecoveryEvery}}}
}

func recoveryPolicy() client.SchedulePolicies {
	// It never ends, so there is nothing to do unless it was terminated. What was missed is not made up for: the next one
	// sees everything.
	return client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: time.Minute}
}

func recoveryRequest() workflows.RecoveryRequest {
	return workflows.RecoveryRequest{ReconcileFor: workflows.Duration(workflows.RecoveryEvery), GoOn: true}
}

func recoveryAction() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: workflows.RecoveryID, Workflow: workflows.RecoveryType, TaskQueue: workflows.TaskQueueDefault,
		Args: []any{recoveryRequest()},
		// No timeout of the run: while no worker is there it waits, and goes on with the first.
		WorkflowTaskTimeout: workflows.TaskTimeout, StaticSummary: "Sluice recovery",
	}
}

// ensureRecovery creates the recovery schedule, or brings an older one up to date. A paused one stays paused.
func ensureRecovery(ctx context.Context, c client.Client) error {
	policy := recoveryPolicy()
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: workflows.RecoveryScheduleID, Spec: recoverySpec(), Action: recoveryAction(),
		Overlap: policy.Overlap, CatchupWindow: policy.CatchupWindow,
		TriggerImmediately: true, // or nothing would be mended until the next full minute
	})
	if err == nil {
		return nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return fmt.Errorf("create schedule %s: %w", workflows.RecoveryScheduleID, err)
	}
	err = c.ScheduleClient().GetHandle(ctx, workflows.RecoveryScheduleID).Update(ctx, client.ScheduleUpdateOptions{DoUpdate: updateRecovery})
	if err != nil && !errors.Is(err, temporal.ErrSkipScheduleUpdate) {
		return fmt.Errorf("update schedule %s: %w", workflows.RecoveryScheduleID, err)
	}
	return nil
}

func updateRecovery(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
	schedule := in.Description.Schedule
	if upToDate(schedule) {
		return nil, temporal.ErrSkipScheduleUpdate
	}
	spec, policy := recoverySpec(), recoveryPolicy()
	schedule.Spec, schedule.Policy, schedule.Action = &spec, &policy, recoveryAction()
	return &client.ScheduleUpdate{Schedule: &schedule}, nil
}

// upToDate compares what the server keeps of a schedule with what this build wants.
func upToDate(s client.Schedule) bool {
	action, ok := s.Action.(*client.ScheduleWorkflowAction)
	if !ok || s.Spec == nil || s.Policy == nil {
		return false
	}
	want, policy := recoveryAction(), recoveryPolicy()
	return action.ID == want.ID && action.Workflow == want.Workflow && action.TaskQueue == want.TaskQueue &&
		action.WorkflowRunTimeout == want.WorkflowRunTimeout && action.WorkflowTaskTimeout == want.WorkflowTaskTimeout && asks(action, recoveryRequest()) &&
		*s.Policy == policy &&
		len(s.Spec.Intervals) == 1 && s.Spec.Intervals[0] == recoverySpec().Intervals[0] &&
		len(s.Spec.Calendars) == 0 && len(s.Spec.CronExpressions) == 0 && len(s.Spec.Skip) == 0
}

// asks tells whether a schedule's action, as the server keeps it, makes this request.
func asks(action *client.ScheduleWorkflowAction, want workflows.RecoveryRequest) bool {
	if len(action.Args) != 1 {
		return false
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	var request workflows.RecoveryRequest
	return ok && converter.GetDefaultDataConverter().FromPayload(payload, &request) == nil && request == want
}

// deleteRecovery deletes the schedule, and ends what it has started: that would go on for ever.
func deleteRecovery(ctx context.Context, c client.Client) error {
	schedule := c.ScheduleClient().GetHandle(ctx, workflows.RecoveryScheduleID)
	described, err := schedule.Describe(ctx)
	if isNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("describe schedule %s: %w", workflows.RecoveryScheduleID, err)
	}
	if err := schedule.Delete(ctx); err != nil && !isNotFound(err) {
		return fmt.Errorf("delete schedule %s: %w", workflows.RecoveryScheduleID, err)
	}
	for _, running := range described.Info.RunningWorkflows {
		err := c.TerminateWorkflow(ctx, running.WorkflowID, "", "its schedule was deleted")
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("terminate workflow %s: %w", running.WorkflowID, err)
		}
	}
	return nil
}
