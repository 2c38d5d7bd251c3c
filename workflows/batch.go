package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// count adds a dispatch to the totals. Claims that were left because Temporal could not be reached are an error: it
// makes the loop rest before it tries again.
func (d *dispatcher) count(ctx workflow.Context, r DispatchResult) error {
	d.Totals.Started += int64(r.Started)
	d.Totals.Requeued += int64(r.Requeued)
	d.Totals.Failed += int64(r.Failed)
	if r.Started > 0 {
		d.LastWork = timeOf(workflow.Now(ctx))
	}
	d.adapt(r)
	if r.Left > 0 {
		return fmt.Errorf("%d claims not started yet: %s", r.Left, r.LastError)
	}
	return nil
}

// minBatch is what a cycle claims at least, however busy Temporal is: enough to see when it no longer is.
const minBatch = 8

// adapt halves the batch when Temporal did not take all of it, and doubles it again when it did.
func (d *dispatcher) adapt(r DispatchResult) {
	d.left = r.Left
	switch {
	case r.Left > 0:
		d.Batch = max(min(minBatch, d.Tunables.BatchSize), d.batch()/2)
	case r.Started > 0 && d.Batch > 0:
		d.Batch *= 2
	}
	if d.Batch >= d.Tunables.BatchSize {
		d.Batch = 0
	}
}

// batch is what a cycle claims at most.
func (d *dispatcher) batch() int {
	if d.Batch > 0 {
		return min(d.Batch, d.Tunables.BatchSize)
	}
	return d.Tunables.BatchSize
}

// room is what this cycle may claim: next to nothing on top of claims that still wait for an answer.
func (d *dispatcher) room() int { return max(1, d.batch()-d.left) }
