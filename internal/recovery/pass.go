package recovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"sluice/internal/metric"
	"sluice/internal/store"
	"sluice/workflows"
)

const (
	// compareParallel is how many executions are compared with their workflows at once.
	compareParallel = 16
	// passTimeout ends a pass that hangs on a server: another worker may have a better connection.
	passTimeout = 5 * time.Second
	// compareTimeout ends the comparing, so that what has been compared can be noted: the next pass goes on behind it.
	compareTimeout = 4 * time.Second
	// noteTimeout is for noting that a pass has failed, which may have taken all of its time.
	noteTimeout = time.Second
)

// Known is what the passes of one caller know from one to the next; the zero value knows nothing. It saves reading closed
// runs again, and belongs to one pass at a time.
type Known struct {
	closed  closedRuns
	learnt  bool // the last pass was the first to find that a workflow of a caller's own has ended
	blind   int  // passes in a row for which the lists did not answer
	failing int  // passes in a row that failed with whatever error
}

// Next is how long after its beginning a pass should be followed by the next one, which as a rule comes after a time: sooner where ends
// are learnt by passes, because nobody else tells of them.
func (k *Known) Next(usually time.Duration) time.Duration {
	if k.learnt {
		return usually / 2
	}
	return usually
}

// Pass compares Postgres with Temporal once: a slot is held if and only if the workflow is open. It makes a limited number
// of calls, however many executions there are. Its report counts even with an error. ErrLists says that nothing else is wrong
// than that: slots in their turn were compared. ErrUnfinished says that the next pass should follow at once.
func (r *Recovery) Pass(ctx context.Context, known *Known) (report Report, err error) {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	began := time.Now() // like the times it is compared with, not by the database's clock
	at, err := store.LoadRecoveryState(ctx, r.db, turnAge, workflows.CancelDeadline)
	if err != nil {
		return report, err
	}
	metric.Unserved.Set(r.metrics(ctx), float64(at.Unserved))
	if at.LookedUntil.IsZero() || at.LookedUntil.After(began) { // a clock that was ahead has noted it
		at.LookedUntil = began.Add(-firstLook)
	}
	// 1. Compare what has changed in Temporal, and beside it the slots that have their turn and what is overdue: lists and terminations
	// may be slow to answer. What is closed ends.
	seen, overdue := newComparison(), someOverdue(at.Overdue)
	blind := known.blind > 0
	var changedErr, overdueErr error
	var changed sync.WaitGroup
	comparing, stop := context.WithTimeout(ctx, compareTimeout)
	defer stop()
	lists := r.readSoFar()
	changed.Go(func() { changedErr = r.compareChanged(comparing, at.LookedUntil, began, known, &lists, seen) })
	changed.Go(func() { overdueErr = r.endOverdue(comparing, overdue, seen) })
	turnErr := r.compareInTurn(comparing, at.Due, blind, overdue, seen)
	changed.Wait()
	r.noteLists(known, changedErr)
	known.learnt = seen.learnt
	// 2. What is open and holds no slot gets it back.
	reopened, reopenErr := r.reopenUnheld(ctx, seen.open)
	turnErr = errors.Join(overdueErr, turnErr, reopenErr)
	report.Checked, report.Repaired = seen.checked, seen.repaired+reopened
	// 3. Note what is in order, what no worker serves, and how far this pass has looked.
	if err := r.noteChecked(ctx, seen); err != nil {
		return report, err
	}
	compareErr := errors.Join(turnErr, changedErr)
	if compareErr != nil && comparing.Err() != nil && seen.checked > 0 {
		return report, ErrUnfinished
	}
	r.noteFailing(ctx, known, compareErr)
	switch { // the next pass looks at the same again
	case turnErr != nil && changedErr != nil:
		return report, fmt.Errorf("%w (and: %v)", turnErr, changedErr) // not ErrLists: there is more that does not answer
	case turnErr != nil:
		return report, turnErr
	case changedErr != nil:
		return report, changedErr
	}
	r.setRead(lists)
	until := lists.until()
	if until.Before(at.LookedUntil) {
		until = at.LookedUntil
	}
	if err := store.SetLookedUntil(ctx, r.db, until); err != nil {
		return report, err
	}
	if lists.rest() {
		return report, ErrUnfinished
	}
	return report, nil
}

// noteFailing has starter status show that passes fail; one alone may have met a server that was slow. What is noted goes away with the
// next pass that does not fail.
func (r *Recovery) noteFailing(ctx context.Context, known *Known, err error) {
	if err == nil {
		known.failing = 0
		return
	}
	if known.failing++; known.failing < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	if err := store.SetFailing(ctx, r.db, err); err != nil {
		r.log.Warn("cannot note that recovery fails", "error", err)
	}
}

// noteLists tells when the lists answer no longer, and when they do again. A single list that is slow is not worth a line.
func (r *Recovery) noteLists(known *Known, err error) {
	switch blind := errors.Is(err, ErrLists); {
	case blind:
		if known.blind++; known.blind == 2 {
			r.log.Warn("Temporal does not list executions; slots are compared in turn until it does", "error", err)
		}
		return
	case known.blind >= 2:
		r.log.Info("Temporal lists executions again")
	}
	known.blind = 0
}

// compareChanged compares the executions that the lists raise doubts about.
func (r *Recovery) compareChanged(ctx context.Context, since, began time.Time, known *Known, lists *readings, seen *comparison) error {
	doubtful, err := r.doubtful(ctx, since, began, known, lists)
	if err != nil {
		return err
	}
	return r.compareAll(ctx, doubtful, seen)
}

// compareInTurn compares the executions whose slot was compared longest ago, of so many that are due, but for those that endOverdue does.
func (r *Recovery) compareInTurn(ctx context.Context, due int64, blind bool, overdue []uuid.UUID, seen *comparison) error {
	turn, err := r.nextInTurn(ctx, due, blind)
	if err != nil {
		return err
	}
	turn = slices.DeleteFunc(turn, func(id uuid.UUID) bool { return slices.Contains(overdue, id) })
	return r.compareAll(ctx, turn, seen)
}

// comparison collects what a pass has found; its mutex guards it.
type comparison struct {
	sync.Mutex
	begun             map[uuid.UUID]bool
	checked, repaired int64
	learnt            bool // the end of a workflow of a caller's own
	open              []openRun
	unserved          map[uuid.UUID]store.Unserved // among these
	hints             map[uuid.UUID]Hint           // what is said of them; nil for a pass
}

func newComparison() *comparison {
	return &comparison{begun: map[uuid.UUID]bool{}, unserved: map[uuid.UUID]store.Unserved{}}
}

// compareAll compares executions with their workflows and ends those that are closed. It goes on when one cannot be
// compared, and returns the first error.
func (r *Recovery) compareAll(ctx context.Context, ids []uuid.UUID, seen *comparison) error {
	known, err := store.WorkflowsOf(ctx, r.db, ids)
	if err != nil {
		return err
	}
	all := make([]store.Known, 0, len(ids))
	for _, id := range ids {
		k, ok := known[id]
		if ok { // otherwise it is another database's, or of a workflow that says it is an item's and is not
			all = append(all, k)
		}
	}
	return r.compareKnown(ctx, all, seen)
}

func (r *Recovery) compareKnown(ctx context.Context, known []store.Known, seen *comparison) error {
	var group errgroup.Group
	group.SetLimit(compareParallel)
	for _, k := range known {
		if !seen.begin(k.ItemID) {
			continue
		}
		group.Go(func() error { return r.compare(ctx, k, seen) })
	}
	return group.Wait()
}

// compare compares an execution with its workflow, and ends it if that is closed.
func (r *Recovery) compare(ctx context.Context, k store.Known, seen *comparison) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint, hinted := seen.hints[k.ItemID]
	found, err := r.standing(ctx, k, hint)
	if err != nil {
		return err
	}
	if found.stalled.refused && !k.Own && found.stalled.For >= refusedAfter {
		if err := r.endRefusedTask(ctx, k, &found); err != nil {
			return err
		}
	}
	if hinted && found.missing() {
		return nil
	}
	recorded := false
	if found.outcome != nil {
		if recorded, err = r.end(ctx, k, *found.outcome, cmp.Or(hint.By, ByPass)); err != nil {
			return fmt.Errorf("mend %s: %w", k.WorkflowID, err)
		}
	}
	seen.add(k, found, recorded)
	return nil
}

// endRefusedTask ends an execution whose workflow task asks for what the server never takes: it would be tried for ever.
func (r *Recovery) endRefusedTask(ctx context.Context, k store.Known, found *standing) error {
	if err := r.terminate(ctx, k.WorkflowID, found.runID, "Temporal refuses what its workflow task asks for: "+found.stalled.What); err != nil {
		return err
	}
	found.open = false
	found.outcome = &workflows.Outcome{ExecutionID: k.ItemID, RunID: found.runID, Status: workflows.StatusFailed,
		Error: &workflows.OutcomeError{Message: "Temporal refuses what it asks for: " + found.stalled.What}}
	return nil
}

func (r *Recovery) terminate(ctx context.Context, workflowID, runID, reason string) error {
	err := r.client.TerminateWorkflow(ctx, workflowID, runID, reason)
	if err != nil && !isNotFound(err) {
		return fmt.Errorf("terminate %s: %w", workflowID, err)
	}
	return nil
}

// openRun is the run of an item's workflow that was found open.
type openRun struct {
	store.Known
	runID string
}

// begin is false when the execution is being compared already.
func (c *comparison) begin(id uuid.UUID) bool {
	c.Lock()
	defer c.Unlock()
	if c.begun[id] {
		return false
	}
	c.begun[id] = true
	return true
}

func (c *comparison) add(k store.Known, found standing, recorded bool) {
	c.Lock()
	defer c.Unlock()
	id := k.ItemID
	c.checked++
	switch {
	case recorded && learnt(k, found.runID):
		c.learnt = true
	case recorded:
		c.repaired++
	}
	if !found.open {
		return
	}
	c.open = append(c.open, openRun{Known: k, runID: found.runID})
	if found.stalled.For > 0 {
		c.unserved[id] = found.stalled.Unserved
	}
}

// noteChecked notes which slots are rightly held and which executions no worker serves, and tells when that is news.
func (r *Recovery) noteChecked(ctx context.Context, seen *comparison) error {
	held := make([]uuid.UUID, len(seen.open))
	for i := range held {
		held[i] = seen.open[i].ItemID
	}
	news, err := store.Checked(ctx, r.db, held, seen.unserved)
	if err != nil {
		return err
	}
	for _, id := range news {
		r.log.Warn("no worker carries an execution on", "execution", id,
			"reason", workflows.ReasonUnserved, "for", seen.unserved[id].For.Round(time.Second), "what", seen.unserved[id].What)
	}
	return nil
}
