package dispatch

import (
	"context"

	"sluice/internal/store"
)

// mostLost is the value of Engine.lost from which on the turns of others are held: three turns lost in a row come to it, or most of many. A
// workspace may apply definitions again and again, and takes a turn each time: without this, most claims of all workspaces would be lost.
const mostLost = 6

// tried notes whether a turn was to be had. One that was makes up for half of one that was not: the next may be lost as those before.
func (e *Engine) tried(taken bool) {
	if taken {
		e.lost = max(0, e.lost-1)
	} else {
		e.lost = min(e.lost+2, 2*mostLost)
	}
}

// insist holds the turns of others until release is called, where too many were lost to them, and has what they have taken until then be heard.
// Otherwise it does nothing.
func (e *Engine) insist(ctx context.Context, hear func() error) (release func(), err error) {
	if e.lost < mostLost {
		return func() {}, nil
	}
	e.putBack()
	if release, err = store.HoldTurns(ctx, e.pool, e.shard); err != nil {
		return nil, err
	}
	if err = hear(); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// planAgain plans the batch anew that was planned last.
func (e *Engine) planAgain(ctx context.Context, run int64, batch int) error {
	if err := e.upToDate(ctx, run, batch); err != nil {
		return err
	}
	err := e.fillBatch(ctx, batch)
	e.plan.run = run
	return err
}
