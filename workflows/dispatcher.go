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

// maxFenced is how many cycles in a row may find another run in charge. One can: a step of an earlier run that was
// still in flight. More means a second dispatcher, in another namespace, on the same database.
const maxFenced = 10

// changeLooksOn is since when CheckCapacity spins by itself, and there is no claim without grants.
const changeLooksOn = "check-capacity-looks-on"

// changeParksOn is since when a parked dispatcher claims and starts what wakes it before it returns to its workflow task.
const changeParksOn = "await-work-goes-on"

// dispatcher is one run of the loop: the state that survives it, and what does not.
type dispatcher struct {
	State
	phase    Phase
	epoch    int64
	stop     *StopRequest
	messages int       // how many updates have changed the state
	task     time.Time // when the loop last left its workflow task
	fenced   int       // cycles in a row that found another run in charge
	first    int64     // cycle at the start of this run
	shards   int       // how many there were when it last looked
	retired  bool      // its shard is none of them any more
	left     int       // claims that got no answer when they were started
	looksOn  bool      // false: a run that began before CheckCapacity could spin
	parksOn  bool      // false: one that began before AwaitWork could claim
}

// Dispatcher admits queue items and starts their executions, for ever. Its input is its whole state.
func Dispatcher(ctx workflow.Context, state State) error {
	d := &dispatcher{State: state, phase: PhaseDispatching, task: workflow.Now(ctx), first: state.Cycle}
	d.Tunables = d.Tunables.WithDefaults()
	if err := d.handleMessages(ctx); err != nil {
		return err
	}
	d.looksOn = workflow.GetVersion(ctx, changeLooksOn, workflow.DefaultVersion, 1) >= 1
	d.parksOn = workflow.GetVersion(ctx, changeParksOn, workflow.DefaultVersion, 1) >= 1
	// Steps finish even when the workflow is cancelled: a claim must not be cut off from its dispatch.
	steps, _ := workflow.NewDisconnectedContext(ctx)
	for {
		// 1. Messages have changed the state meanwhile; decide what this pass is for.
		switch {
		case d.stop != nil, d.retired:
			return d.finish(ctx)
		case d.fenced >= maxFenced:
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
		if err := d.cycle(ctx, steps); err != nil {
			d.rest(ctx, err)
		}
	}
}

// cycle is one pass over the queue. When there is nothing to do it returns after a wait for something.
func (d *dispatcher) cycle(ctx, steps workflow.Context) (err error) {
	if d.epoch == 0 {
		if d.epoch, err = openEpoch(steps, d.Shard, workflow.GetInfo(ctx).WorkflowExecution.RunID); err != nil {
			return err
		}
	}
	d.Cycle++
	// 2. Who may start how many, and why do the others wait? While nobody may, look on for a spin.
	request := CapacityRequest{Shard: d.Shard, BatchSize: d.room()}
	yields := d.yields(ctx)
	if d.looksOn {
		request.Epoch = d.epoch
		if !yields {
			request.Spin = d.Tunables.Spin
		}
	}
	report, err := checkCapacity(steps, request, yields)
	if err != nil {
		return err
	}
	d.Waiting, d.shards = report.Waiting, report.Shards
	if d.shards > 0 && d.Shard >= d.shards {
		return d.retire(ctx, steps)
	}
	if d.Pause != nil || d.stop != nil {
		return nil // told meanwhile: nothing is claimed once a pause has been answered
	}
	// 3. Take at most that many, in fair order.
	claimed := ClaimResult{Carried: report.Carried}
	if len(report.Grants) > 0 || !d.looksOn {
		if claimed, err = claimExecutions(steps, ClaimRequest{Shard: d.Shard, Epoch: d.epoch, Cycle: d.Cycle, Grants: report.Grants, Lines: report.Lines}); err != nil {
			return err
		}
	}
	d.countClaim(claimed)
	// 4. Start them, and whatever an earlier cycle or run has claimed and not started.
	if claimed.New+claimed.Carried > 0 {
		result, err := dispatchExecutions(steps, DispatchRequest{Shard: d.Shard, Epoch: d.epoch, Cycle: d.Cycle, Parallelism: d.Tunables.Parallelism, Retry: d.Tunables.StartRetry})
		if err != nil {
			return err
		}
		return d.count(ctx, result)
	}
	d.left = 0
	if claimed.Expired > 0 || claimed.Repeated || d.looksOn && yields {
		return nil
	}
	// 5. Nothing is admissible, and the spin is over: park, outside this workflow task.
	if len(report.Grants) > 0 {
		// Somebody holds the rows, or a limit has just changed. Neither rings when it is over.
		report.DueIn = d.Tunables.PollInterval
	}
	if len(report.Grants) > 0 || !d.looksOn {
		rung, err := spinForWork(steps, SpinRequest{Shard: d.Shard, Mark: report.Mark, For: d.spin(report.DueIn)})
		if err != nil || rung || d.due(report.DueIn) {
			return err
		}
		report.DueIn = max(0, report.DueIn-d.Tunables.Spin)
	}
	return d.park(ctx, steps, report)
}

// countClaim adds a claim to the totals. One that was done before, and whose record was lost with a workflow task, is
// where the loop goes on.
func (d *dispatcher) countClaim(c ClaimResult) {
	d.fenced = 0
	if c.Repeated {
		d.Cycle = max(d.Cycle, c.Newest)
	}
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

// park waits outside the workflow task until there is work, a message or an end. Work is claimed and started right there,
// in a cycle of its own: the way back into a workflow task takes as long as a start.
func (d *dispatcher) park(ctx, steps workflow.Context, report CapacityReport) error {
	d.phase = PhaseParked
	d.showDetails(ctx)
	parked, unpark := workflow.WithCancel(steps)
	defer unpark()
	seen := d.messages
	request := AwaitRequest{Shard: d.Shard, Mark: report.Mark, DueIn: report.DueIn, Poll: d.Tunables.PollInterval}
	if d.parksOn {
		d.Cycle++
		request.Cycle = &ParkedCycle{Epoch: d.epoch, Cycle: d.Cycle, BatchSize: d.room(), Parallelism: d.Tunables.Parallelism, Retry: d.Tunables.StartRetry}
	}
	work := awaitWork(parked, request)
	err := workflow.Await(ctx, func() bool { return work.IsReady() || d.messages != seen })
	d.task = workflow.Now(ctx)
	if err != nil || !work.IsReady() {
		return nil // cancelled or told something: the loop's head decides
	}
	if !d.parksOn {
		return work.Get(steps, nil)
	}
	var woken AwaitResult
	if err := work.Get(steps, &woken); err != nil {
		return err
	}
	d.countClaim(woken.Claimed)
	if woken.Dispatched != nil {
		return d.count(ctx, *woken.Dispatched)
	}
	return nil
}

// spin is how long to spin: until the next scheduled item is due, if that comes first.
func (d *dispatcher) spin(dueIn Duration) Duration {
	if dueIn > 0 {
		return min(dueIn, d.Tunables.Spin)
	}
	return d.Tunables.Spin
}

// due tells whether a scheduled item has become ready while the loop was spinning.
func (d *dispatcher) due(dueIn Duration) bool { return dueIn > 0 && dueIn <= d.Tunables.Spin }

// rest notes a failed step and rests, or until a message comes.
func (d *dispatcher) rest(ctx workflow.Context, err error) {
	workflow.GetLogger(ctx).Warn("dispatcher step failed", "cycle", d.Cycle, "error", err)
	d.LastError, d.LastErrorAt = rootMessage(err), timeOf(workflow.Now(ctx))
	if isFenced(err) {
		d.epoch = 0
		d.fenced++
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
