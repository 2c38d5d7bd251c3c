package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/internal/recovery"
	"sluice/workflows"
)

// leastPause is between two passes, whatever is asked for.
const leastPause = 100 * time.Millisecond

// Sweep ends what has waited too long or waits for a workspace that is gone, and keeps the tables small.
func (a *Activities) Sweep(ctx context.Context) (workflows.RecoveryReport, error) {
	if err := a.paired(ctx); err != nil {
		return workflows.RecoveryReport{}, temporalError(err)
	}
	report, err := a.recovery.Sweep(ctx)
	return workflows.RecoveryReport(report), temporalError(err)
}

// ReleaseStaleClaims mends claims that no dispatcher has taken up.
func (a *Activities) ReleaseStaleClaims(ctx context.Context) (workflows.RecoveryReport, error) {
	if err := a.paired(ctx); err != nil {
		return workflows.RecoveryReport{}, temporalError(err)
	}
	report, err := a.recovery.ReleaseStale(ctx)
	return workflows.RecoveryReport(report), temporalError(err)
}

// Reconcile makes Postgres agree with Temporal about which executions are open, again and again for the time asked for, or
// once. A worker that stops hands it to another at once.
func (a *Activities) Reconcile(ctx context.Context, r workflows.ReconcileRequest) (workflows.RecoveryReport, error) {
	var known recovery.Known
	if r.For <= 0 {
		report, err := a.pass(ctx, &known)
		return workflows.RecoveryReport(report), temporalError(err)
	}
	waiting, stop := beating(ctx)
	defer stop()
	// A retry does what is left, not all of it again.
	end := time.Now().Add(time.Duration(r.For))
	if info := activity.GetInfo(ctx); info.Attempt > 1 {
		end = info.ScheduledTime.Add(time.Duration(r.For))
	}
	var total workflows.RecoveryReport
	for {
		began := time.Now()
		report, err := a.pass(waiting, &known)
		total = total.Plus(workflows.RecoveryReport(report))
		switch {
		case stopping(waiting):
			return total, errWorkerStopping
		case ctx.Err() != nil:
			return total, nil // Temporal has given this attempt up and no longer waits for it
		case err != nil && !errors.Is(err, recovery.ErrLists) && !errors.Is(err, recovery.ErrUnfinished): // without the lists it goes on by turns
			return total, temporalError(err) // tried again at once, perhaps by another worker
		case time.Now().After(end):
			return total, nil
		}
		next := max(time.Until(began.Add(known.Next(time.Duration(r.Every)))), leastPause)
		if errors.Is(err, recovery.ErrUnfinished) {
			next = leastPause
		}
		select {
		case <-time.After(next):
		case <-waiting.Done():
			if stopping(waiting) {
				return total, errWorkerStopping
			}
			return total, nil
		}
	}
}

// pass is one, of the namespace that the database belongs to: in another one every execution would be missing.
func (a *Activities) pass(ctx context.Context, known *recovery.Known) (recovery.Report, error) {
	if err := a.paired(ctx); err != nil {
		return recovery.Report{}, err
	}
	return a.recovery.Pass(ctx, known)
}
