package activities

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
	"sluice/workflows"
)

const (
	// reconcileParallel is how many executions are compared with their workflows at once.
	reconcileParallel = 16
	// leastPause is between two passes, whatever is asked for.
	leastPause = 100 * time.Millisecond
	// passTimeout ends a pass that hangs on a server: another worker may have a better connection.
	passTimeout = 5 * time.Second
)

// ReconcileSlots makes Postgres agree with Temporal about which executions are open: a slot is held if and only if the
// workflow is. It goes over them again and again for the time asked for, or once. A pass costs a bounded number of
// calls, however many executions there are.
func (a *Activities) ReconcileSlots(ctx context.Context, r workflows.ReconcileRequest) (workflows.RecoveryReport, error) {
	if r.For <= 0 {
		report, err := a.reconcile(ctx, &closings{})
		return report, temporalError(err)
	}
	waiting, stop := beating(ctx)
	defer stop()
	var total workflows.RecoveryReport
	pause := time.NewTicker(max(time.Duration(r.Every), leastPause))
	defer pause.Stop()
	// A retry does what is left, not all of it again.
	end := time.Now().Add(time.Duration(r.For))
	if info := activity.GetInfo(ctx); info.Attempt > 1 {
		end = info.ScheduledTime.Add(time.Duration(r.For))
	}
	var known closings
	for {
		report, err := a.reconcile(waiting, &known)
		total = total.Plus(report)
		switch {
		case stopping(waiting):
			return total, errWorkerStopping
		case err != nil:
			return total, temporalError(err) // tried again at once, perhaps by another worker
		case time.Now().After(end):
			return total, nil
		}
		select {
		case <-pause.C:
		case <-waiting.Done():
			if stopping(waiting) {
				return total, errWorkerStopping
			}
			return total, ctx.Err()
		}
	}
}

// reconcile is one pass. What it has seen closed is known to the next one.
func (a *Activities) reconcile(ctx context.Context, known *closings) (report workflows.RecoveryReport, err error) {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	// 1. Which executions may be out of step, by what has changed in Temporal, and which have their turn?
	began := time.Now() // like the times it is compared with, not by the database's clock
	at, err := a.queue.Reconciliation(ctx, turnAge)
	if err != nil {
		return report, err
	}
	activity.GetMetricsHandler(ctx).Gauge("sluice_executions_unserved").Update(float64(at.Unserved))
	if at.LookedUntil.IsZero() {
		at.LookedUntil = began.Add(-firstLook)
	}
	doubtful, err := a.doubtful(ctx, at.LookedUntil, known)
	if err != nil {
		return report, err
	}
	turn, err := a.nextInTurn(ctx, at.Due)
	if err != nil {
		return report, err
	}
	// 2. Compare each with its workflow: who is closed ends, who is open and holds no slot gets it back.
	seen, compareErr := a.compareAll(ctx, distinct(doubtful, turn))
	reopened, err := a.reopenUnheld(ctx, seen.open)
	report.Checked, report.Repaired = seen.checked, seen.repaired+reopened
	if err != nil {
		return report, err
	}
	// 3. Note what is in order, who is not served, and how far we have looked.
	if err := a.noteChecked(ctx, seen); err != nil {
		return report, err
	}
	if compareErr != nil {
		return report, compareErr // the next pass looks at the same again
	}
	return report, a.queue.SetLookedUntil(ctx, began)
}

// comparison collects what was found in one pass; its mutex guards it.
type comparison struct {
	sync.Mutex
	checked, repaired int64
	held              []uuid.UUID                 // open, whoever they belong to
	open              []queue.Run                 // open, and ours
	unserved          map[uuid.UUID]time.Duration // for how long; among held
}

// compareAll compares executions with their workflows and ends those that are closed. It goes on when one cannot be
// compared, and returns the first error.
func (a *Activities) compareAll(ctx context.Context, ids []uuid.UUID) (*comparison, error) {
	seen := &comparison{unserved: map[uuid.UUID]time.Duration{}}
	var group errgroup.Group
	group.SetLimit(reconcileParallel)
	for _, id := range ids {
		group.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			found, err := a.standing(ctx, id)
			if err != nil {
				return err
			}
			ended := false
			if !found.open {
				if ended, err = a.end(ctx, found); err != nil {
					return fmt.Errorf("mend %s: %w", workflows.ExecutionID(id), err)
				}
			}
			seen.add(id, found, ended)
			return nil
		})
	}
	return seen, group.Wait()
}

func (c *comparison) add(id uuid.UUID, found standing, ended bool) {
	c.Lock()
	defer c.Unlock()
	c.checked++
	if ended {
		c.repaired++
	}
	if !found.open {
		return
	}
	c.held = append(c.held, id)
	if found.ours {
		c.open = append(c.open, queue.Run{ExecutionID: id, RunID: found.runID})
	}
	if found.untaken >= unservedAfter {
		c.unserved[id] = found.untaken
	}
}

// noteChecked notes who is rightly open and who is not served, and tells when that is news.
func (a *Activities) noteChecked(ctx context.Context, seen *comparison) error {
	news, err := a.queue.Checked(ctx, seen.held, seen.unserved)
	if err != nil {
		return err
	}
	for _, id := range news {
		activity.GetLogger(ctx).Warn("no worker takes an execution's workflow task", "execution", id,
			"reason", workflows.ReasonUnserved, "for", seen.unserved[id].Round(time.Second))
	}
	return nil
}

func distinct(lists ...[]uuid.UUID) []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	var all []uuid.UUID
	for _, list := range lists {
		for _, id := range list {
			if !seen[id] {
				seen[id] = true
				all = append(all, id)
			}
		}
	}
	return all
}
