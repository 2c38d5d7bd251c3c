package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
	"sluice/workflows"
)

const (
	// reconcileBatch bounds the describes of one pass; those checked longest ago come first, so every slot has its turn.
	reconcileBatch    = 2000
	reconcileParallel = 16
	// reconcileAge leaves an execution that has just been settled or checked in peace.
	reconcileAge = 10 * time.Second
)

// ReleaseStaleClaims mends claims that no dispatcher has taken up: if the workflow exists after all the claim is
// settled, otherwise the item goes back to PENDING.
func (a *Activities) ReleaseStaleClaims(ctx context.Context) (workflows.RecoveryReport, error) {
	var report workflows.RecoveryReport
	stale, err := a.queue.StaleClaims(ctx, a.staleAfter, reconcileBatch)
	if err != nil {
		return report, temporalError(err)
	}
	var missing []uuid.UUID
	var exist []queue.Started
	for _, id := range stale {
		found, err := a.client.DescribeWorkflowExecution(ctx, workflows.ExecutionID(id), "")
		switch {
		case isNotFound(err):
			missing = append(missing, id)
		case err != nil:
			return report, fmt.Errorf("describe %s: %w", workflows.ExecutionID(id), err)
		default:
			exist = append(exist, queue.Started{ExecutionID: id, RunID: found.GetWorkflowExecutionInfo().GetExecution().GetRunId()})
		}
	}
	if err := a.queue.Settle(ctx, exist); err != nil {
		return report, temporalError(err)
	}
	report.Settled = int64(len(exist))
	report.Released, err = a.queue.Release(ctx, missing, a.staleAfter)
	if len(stale) > 0 {
		activity.GetLogger(ctx).Warn("mended stale claims", "released", report.Released, "settled", report.Settled)
	}
	return report, temporalError(err)
}

// ReconcileSlots compares slots with their workflows. An execution whose workflow is closed or missing gets the
// outcome that Temporal knows, which frees its slot. Describe reads the workflow itself, not the eventually consistent
// visibility store, so a slot that is rightly held is never freed.
func (a *Activities) ReconcileSlots(ctx context.Context) (workflows.RecoveryReport, error) {
	var report workflows.RecoveryReport
	ids, err := a.queue.SlotsToCheck(ctx, reconcileAge, reconcileBatch)
	if err != nil {
		return report, temporalError(err)
	}
	var repaired atomic.Int64
	held := make([]bool, len(ids))
	group, ctx2 := errgroup.WithContext(ctx)
	group.SetLimit(reconcileParallel)
	for i, id := range ids {
		group.Go(func() error {
			outcome, err := a.outcomeInTemporal(ctx2, id)
			if err != nil {
				return err
			}
			if held[i] = outcome == nil; held[i] {
				return nil
			}
			return a.repair(ctx2, *outcome, &repaired)
		})
	}
	err = group.Wait()
	var open []uuid.UUID
	for i, id := range ids {
		if held[i] {
			open = append(open, id)
		}
	}
	if checkErr := a.queue.Checked(ctx, open); err == nil {
		err = checkErr
	}
	report.Checked, report.Repaired = int64(len(ids)), repaired.Load()
	return report, temporalError(err)
}

// repair records an outcome that the execution could not record itself.
func (a *Activities) repair(ctx context.Context, o workflows.Outcome, repaired *atomic.Int64) error {
	recorded, err := a.record(ctx, o)
	if err != nil || !recorded {
		return err
	}
	repaired.Add(1)
	activity.GetLogger(ctx).Warn("repaired an execution without an outcome", "execution", o.ExecutionID, "status", o.Status)
	reason := "no-outcome"
	return a.queue.Log(ctx, queue.Activity{Actor: "recovery", Action: "recovered", QueueID: &o.ExecutionID, Reason: &reason})
}

// outcomeInTemporal is how the execution's workflow ended, or nil while it is open.
func (a *Activities) outcomeInTemporal(ctx context.Context, id uuid.UUID) (*workflows.Outcome, error) {
	workflowID := workflows.ExecutionID(id)
	o := &workflows.Outcome{ExecutionID: id}
	found, err := a.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if isNotFound(err) {
		o.Status = workflows.StatusTerminated
		o.Error = &workflows.OutcomeError{Message: "the workflow is missing in Temporal: deleted, or past the namespace's retention"}
		return o, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe %s: %w", workflowID, err)
	}
	info := found.GetWorkflowExecutionInfo()
	o.RunID = info.GetExecution().GetRunId()
	switch info.GetStatus() {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		o.Status = workflows.StatusCompleted
	case enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
		o.Status = workflows.StatusFailed
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		o.Status = workflows.StatusCancelled
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		o.Status = workflows.StatusTerminated
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		o.Status = workflows.StatusTimedOut
	default:
		return nil, nil // open, or continued as a run that is
	}
	// The workflow is closed, so this answers at once, with its result or the error it ended with.
	var output json.RawMessage
	if err := a.client.GetWorkflow(ctx, workflowID, o.RunID).Get(ctx, &output); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		o.Error = &workflows.OutcomeError{Message: rootCause(err).Error()}
	} else {
		o.Output = output
	}
	return o, nil
}

// rootCause is what ended the workflow, without the layers that name it again.
func rootCause(err error) error {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
