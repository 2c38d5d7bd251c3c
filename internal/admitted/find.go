package admitted

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"

	"sluice/queue"
)

// byRun returns the item that a call is about which names a run, false if it is about none. That run, or the first run of its chain, is
// the item's.
func (c *Calls) byRun(ctx context.Context, named *commonpb.WorkflowExecution, run string) (item queue.State, ok bool, err error) {
	id, notOurs := uuid.Parse(run)
	if notOurs != nil {
		return item, false, nil
	}
	item, err = c.Queue.Get(ctx, id)
	if errors.Is(err, queue.ErrUnknownItem) {
		return item, false, nil
	}
	return item, item.WorkflowID == named.GetWorkflowId(), err
}

// The phases of an item, as a call sees them.
func isQueued(item queue.State) bool  { return item.Status == "PENDING" || item.Status == "CLAIMED" }
func isClaimed(item queue.State) bool { return item.Status == "CLAIMED" }

// neverStarted says that it has ended in the queue.
func neverStarted(item queue.State) bool { return item.Done() && item.ExecutionStatus == nil }

// How often an item is looked at that others move: soon at first, then ever more seldom.
const (
	firstLook = 10 * time.Millisecond
	lastLook  = 500 * time.Millisecond
)

// await looks at the item until it is no longer as is says, or ctx ends.
func (c *Calls) await(ctx context.Context, item queue.State, is func(queue.State) bool) (queue.State, error) {
	for pause := firstLook; is(item); pause = min(pause*5/4, lastLook) {
		select {
		case <-ctx.Done():
			return item, ctx.Err()
		case <-time.After(pause):
		}
		now, err := c.Queue.Get(ctx, item.ID)
		if err != nil {
			return item, err
		}
		item = now
	}
	return item, nil
}
