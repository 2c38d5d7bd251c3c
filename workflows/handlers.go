package workflows

import (
	"encoding/json"
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// handleMessages registers the status query and the updates. A handler only changes the state and logs the action;
// the loop decides what follows from it.
func (d *dispatcher) handleMessages(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (Status, error) { return d.status(), nil },
		workflow.QueryHandlerOptions{Description: "what the dispatcher is doing, its totals and its tunables"}); err != nil {
		return fmt.Errorf("register query %s: %w", QueryStatus, err)
	}
	return errors.Join(
		handle(ctx, d, UpdatePause, "stop admission; what runs goes on", d.refusePause, d.pause),
		handle(ctx, d, UpdateResume, "go on after a pause", d.refuseResume, d.resume),
		handle(ctx, d, UpdateConfigure, "change the tunables", d.refuseConfigure, d.configure),
		handle(ctx, d, UpdateStop, "complete this workflow after the cycle under way", d.refuseStop, d.stopWhenDone),
	)
}

// handle registers one update: refuse says why it can't be done, do changes the state and tells what to log.
func handle[R any](ctx workflow.Context, d *dispatcher, name, description string, refuse func(R) error, do func(workflow.Context, R) Action) error {
	handler := func(ctx workflow.Context, request R) (Status, error) {
		action := do(ctx, request)
		d.messages++
		action.Action = "dispatcher-" + name
		var overtakeErr error
		if name == UpdatePause || name == UpdateStop { // nothing is claimed once it is answered
			overtakeErr = d.overtake(ctx)
		}
		err := errors.Join(overtakeErr, logAction(ctx, action))
		return d.status(), err
	}
	validator := func(_ workflow.Context, request R) error {
		if d.stop != nil || d.retired {
			return errors.New("the dispatcher is stopping")
		}
		return refuse(request)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, name, handler, workflow.UpdateHandlerOptions{Validator: validator, Description: description})
	if err != nil {
		return fmt.Errorf("register update %s: %w", name, err)
	}
	return nil
}

func (d *dispatcher) refusePause(r PauseRequest) error {
	if d.Pause != nil {
		return fmt.Errorf("already paused by %s since %s", d.Pause.Actor, d.Pause.Since.Format("2006-01-02 15:04:05 MST"))
	}
	return needActor(r.Actor)
}

func (d *dispatcher) pause(ctx workflow.Context, r PauseRequest) Action {
	d.Pause = &Pause{Actor: r.Actor, Reason: r.Reason, Since: workflow.Now(ctx)}
	return Action{Actor: r.Actor, Reason: r.Reason}
}

func (d *dispatcher) refuseResume(r ResumeRequest) error {
	if d.Pause == nil {
		return errors.New("not paused")
	}
	return needActor(r.Actor)
}

func (d *dispatcher) resume(_ workflow.Context, r ResumeRequest) Action {
	d.Pause = nil
	return Action{Actor: r.Actor}
}

func (d *dispatcher) refuseConfigure(r ConfigureRequest) error {
	if r.empty() {
		return errors.New("nothing to change: give batchSize, pollInterval, spin, parallelism, startAttempts, startBackoff, startMaxBackoff or startJitter")
	}
	return errors.Join(d.Tunables.Changed(r).Validate(), needActor(r.Actor))
}

func (d *dispatcher) configure(_ workflow.Context, r ConfigureRequest) Action {
	d.Tunables = d.Tunables.Changed(r)
	details, err := json.Marshal(d.Tunables)
	if err != nil {
		panic(err) // a struct of numbers
	}
	return Action{Actor: r.Actor, Details: details}
}

func (d *dispatcher) refuseStop(r StopRequest) error { return needActor(r.Actor) }

func (d *dispatcher) stopWhenDone(_ workflow.Context, r StopRequest) Action {
	d.stop = &r
	return Action{Actor: r.Actor, Reason: r.Reason}
}

func (d *dispatcher) status() Status {
	phase := d.phase
	switch {
	case d.stop != nil, d.retired:
		phase = PhaseStopping
	case d.Pause != nil:
		phase = PhasePaused
	}
	return Status{
		Phase: phase, Shard: d.Shard, Shards: d.shards, Run: d.run, Cycle: d.Cycle, Pause: d.Pause, Tunables: d.Tunables, Batch: d.Batch, Totals: d.Totals,
		Waiting: d.Waiting, LastError: d.LastError, LastErrorAt: d.LastErrorAt, LastWork: d.LastWork,
	}
}

func needActor(actor string) error {
	if actor == "" {
		return errors.New("actor is missing: say who asks")
	}
	return nil
}
