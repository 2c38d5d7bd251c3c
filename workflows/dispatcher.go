package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// yieldAfter is how long the loop goes on inside one workflow task before it lets messages in, by sending the next
// CheckCapacity through the server. Without it updates were answered after up to 16 s, with it after about one. A
// timer would do the same, but Temporal fires even one of a millisecond up to a second late (997 ms seen).
const yieldAfter = time.Second

// errorPause is how long the loop rests after a failed step; steps retry by themselves before they fail.
const errorPause = time.Second

const (
	// errorRepeats is within what time a step that fails for the same reason is not news.
	errorRepeats = time.Minute
	// errorShown is for how long the last error is shown once things go well again.
	errorShown = time.Hour
)

// maxFenced is how often it may find another run in charge, with less than fencedWithin in between. Once it can: a step of an
// earlier run that was still in flight. More often means a second dispatcher, in another namespace, on the same database.
const (
	maxFenced    = 10
	fencedWithin = 30 * time.Second
)

// dispatcher is one run of the loop: the state that survives it, and what does not.
type dispatcher struct {
	State
	phase    Phase
	run      int64 // the turn with which this run took the shard over; zero: it has to
	takeover int   // how often messages have made it do so again
	acting   int   // what that was when the cycle under way began
	stop     *StopRequest
	messages int             // how many updates have changed the state
	task     time.Time       // when the loop last left its workflow task
	fenced   int             // how often it has found another run in charge
	fencedAt time.Time       // the last time
	first    int64           // cycle at the start of this run
	shards   int             // how many there were when it last looked
	retired  bool            // its shard is none of them any more
	left     int             // claims that got no answer when they were started
	wait     workflow.Future // the last one; it may go on for a moment when a message has ended it
}

// Dispatcher admits queue items and starts their executions, for ever. Its input is its whole state.
func Dispatcher(ctx workflow.Context, state State) error {
	if err := standsAlone(ctx); err != nil {
		return err
	}
	d := &dispatcher{State: state, phase: PhaseDispatching, task: workflow.Now(ctx), first: state.Cycle}
	d.Tunables = d.Tunables.WithDefaults()
	if err := d.handleMessages(ctx); err != nil {
		return err
	}
	// Steps finish even when the workflow is cancelled: a claim must not be cut off from its dispatch.
	steps, _ := workflow.NewDisconnectedContext(ctx)
	for {
		// 1. Messages have changed the state meanwhile; decide what this pass is for.
		switch {
		case d.stop != nil, d.retired:
			return d.finish(ctx)
		case d.fenced >= maxFenced:
			workflow.GetLogger(ctx).Error("another dispatcher works on this database: this one ends, and nothing of its shard is started any more; "+
				"stop the other one, or give each its own database, and start this one again", "shard", d.Shard, "fenced", d.fenced, "error", d.LastError)
			return temporal.NewNonRetryableApplicationError("another dispatcher works on this database: stop one of them, or give each its own", ErrorFenced, nil)
		case ctx.Err() != nil:
			return ctx.Err()
		case d.continueAsNewDue(ctx):
			return d.continueAsNew(ctx)
		case d.Pause != nil:
			d.awaitMessage(ctx)
			continue
		}
		d.phase = PhaseDispatching
		if err := d.cycle(ctx, steps); isRefused(err) {
			workflow.GetLogger(ctx).Error("this is no dispatcher of Sluice, and ends", "error", err)
			return err
		} else if err != nil {
			d.rest(ctx, err)
		} else if d.LastErrorAt != nil && workflow.Now(ctx).Sub(*d.LastErrorAt) > errorShown {
			d.LastError, d.LastErrorAt = "", nil
		}
	}
}

// cycle is one pass over the queue. When there is nothing to do it returns after a wait for something.
func (d *dispatcher) cycle(ctx, steps workflow.Context) error {
	d.acting = d.takeover
	if err := d.own(steps); err != nil {
		return err
	}
	d.Cycle++
	// 2. Who may start how many, and why do the others wait? While nothing can be started, look on for a spin.
	request := CapacityRequest{Shard: d.Shard, Run: d.run, BatchSize: d.room(), Spin: d.Tunables.Spin}
	yields := d.yields(ctx)
	if yields {
		request.Spin = 0
	}
	report, err := checkCapacity(steps, request, yields)
	if err != nil {
		return err
	}
	d.Waiting, d.shards = report.Waiting, report.Shards
	if d.Shard >= d.shards {
		return d.retire(ctx, steps)
	}
	if d.Pause != nil || d.stop != nil {
		return nil // told meanwhile: nothing is claimed once a pause has been answered
	}
	// 3. Take what was planned.
	claimed := ClaimResult{Unstarted: report.Unstarted}
	if report.Items > 0 {
		if claimed, err = claimExecutions(steps, ClaimRequest{Shard: d.Shard, Run: d.run}); err != nil {
			return err
		}
		d.countClaim(claimed)
	}
	// 4. Start it, and whatever an earlier cycle or run has claimed and not started.
	if claimed.Unstarted > 0 {
		if err := d.own(steps); err != nil { // a message may have come since: what is claimed is started all the same
			return err
		}
		result, err := dispatchExecutions(steps, DispatchRequest{Shard: d.Shard, Run: d.run, Parallelism: d.Tunables.Parallelism, Retry: d.Tunables.StartRetry})
		if err != nil {
			return err
		}
		return d.count(ctx, result)
	}
	d.left = 0
	if report.Items > 0 || yields {
		return nil
	}
	// 5. Nothing can be started, and the spin is over: wait, outside this workflow task.
	return d.awaitWork(ctx, steps)
}

// own makes this run the owner of its shard, unless it is.
func (d *dispatcher) own(ctx workflow.Context) error {
	if d.run > 0 {
		return nil
	}
	run, err := takeOver(ctx, d.Shard, workflow.GetInfo(ctx).WorkflowExecution.RunID, d.takeover)
	d.run = max(d.run, run)
	return err
}

// overtake ends the cycle that may be under way, here or in an activity that waits for work: the run takes its shard over
// again, and what was planned before is not claimed any more. A claim that came first stands, and is waited for.
func (d *dispatcher) overtake(ctx workflow.Context) error {
	d.takeover++
	d.run = 0
	return d.own(ctx)
}

// countClaim adds a claim to the totals.
func (d *dispatcher) countClaim(c ClaimResult) {
	d.Totals.Claimed += int64(c.New)
	d.Totals.Expired += int64(c.Expired)
}

// yields tells whether the loop has been in one workflow task for long enough to leave it now.
func (d *dispatcher) yields(ctx workflow.Context) bool {
	if workflow.Now(ctx).Sub(d.task) < yieldAfter {
		return false
	}
	d.task = workflow.Now(ctx)
	d.showDetails(ctx)
	return true
}

// awaitWork waits outside the workflow task until there is work, a message or an end. Work is claimed and started right there,
// by the same steps: the way back into a workflow task takes as long as a start.
func (d *dispatcher) awaitWork(ctx, steps workflow.Context) error {
	d.phase = PhaseWaiting
	d.showDetails(ctx)
	waiting, cancel := workflow.WithCancel(steps)
	defer cancel()
	seen := d.messages
	d.Cycle++
	d.wait = awaitWork(waiting, AwaitRequest{
		Shard: d.Shard, Run: d.run, BatchSize: d.room(), Poll: d.Tunables.PollInterval, Parallelism: d.Tunables.Parallelism, Retry: d.Tunables.StartRetry,
	})
	err := workflow.Await(ctx, func() bool { return d.wait.IsReady() || d.messages != seen })
	d.task = workflow.Now(ctx)
	if err != nil || !d.wait.IsReady() {
		return nil // cancelled or told something: the loop's head decides
	}
	var done AwaitResult
	if err := d.wait.Get(steps, &done); err != nil {
		return err
	}
	if done.Deaf != "" {
		d.LastError, d.LastErrorAt = done.Deaf, timeOf(workflow.Now(ctx))
	}
	d.countClaim(done.Claimed)
	if done.Dispatched != nil {
		return d.count(ctx, *done.Dispatched)
	}
	return nil
}

// rest notes a failed step and rests, or until a message comes.
func (d *dispatcher) rest(ctx workflow.Context, err error) {
	if isFenced(err) && d.takeover > d.acting {
		return // it has overtaken itself
	}
	if message := rootMessage(err); message != d.LastError || d.LastErrorAt == nil || workflow.Now(ctx).Sub(*d.LastErrorAt) > errorRepeats {
		workflow.GetLogger(ctx).Warn("dispatcher step failed", "cycle", d.Cycle, "error", err) // once, however often it comes
	}
	d.LastError, d.LastErrorAt = rootMessage(err), timeOf(workflow.Now(ctx))
	if isFenced(err) {
		d.run = 0
		if workflow.Now(ctx).Sub(d.fencedAt) > fencedWithin {
			d.fenced = 0
		}
		d.fenced++
		d.fencedAt = workflow.Now(ctx)
	}
	d.phase = PhaseBackingOff
	d.showDetails(ctx)
	seen := d.messages
	_, _ = workflow.AwaitWithTimeout(ctx, errorPause, func() bool { return d.messages != seen })
	d.task = workflow.Now(ctx)
}

// awaitMessage is what a paused dispatcher does.
func (d *dispatcher) awaitMessage(ctx workflow.Context) {
	d.phase = PhasePaused
	d.showDetails(ctx)
	seen := d.messages
	_ = workflow.Await(ctx, func() bool { return d.messages != seen })
	d.task = workflow.Now(ctx)
}

func timeOf(t time.Time) *time.Time { return &t }
