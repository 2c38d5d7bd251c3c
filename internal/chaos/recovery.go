package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

const (
	// recoveryLimit is the longest that a recovery may take while all parts are there.
	recoveryLimit = 60 * time.Second
	// recoveryPromise is what the design promises.
	recoveryPromise = 10 * time.Second
	recoveryLook    = 50 * time.Millisecond
	// lookTimeout bounds one look: a server that is away is no answer.
	lookTimeout = 5 * time.Second
)

// aftermath is what a fault leaves behind: since when the parts are back, and what must come true again beside a probe
// being executed.
type aftermath struct {
	target string
	since  time.Time
	// missing says in what the fault's victim is not yet as it should be, or nothing. nil: there is no victim.
	missing func(ctx context.Context) (string, error)
}

// recovery is how a fault was got over.
type recovery struct {
	fault     plan.Fault
	target    string
	took      time.Duration // since the parts were back
	wall      time.Duration // since the fault, other faults' outages included
	restarted bool          // another fault's outage has started the clock again
	beside    bool          // another fault still kept a part away when it was over
	whole     time.Duration // of what it took, for how long all parts were there
	waiting   string        // what had not come true within the limit; empty when it has recovered
}

// recover waits until the system has got over a fault. A probe shows that it executes again: a new item of a workspace
// that has slots enough, which goes all the way from the queue to its outcome.
func (c *chaos) recover(ctx context.Context, f plan.Fault, a aftermath) recovery {
	return c.await(ctx, f, a, c.sendProbe(ctx, f))
}

// await waits for what must come true again; without a probe p is nil.
func (c *chaos) await(ctx context.Context, f plan.Fault, a aftermath, p *probe) recovery {
	r := recovery{fault: f, target: a.target}
	var fair time.Duration // how long all parts were there
	var from time.Time
	for last := time.Now(); ; last = time.Now() {
		what := c.missing(ctx, p, a)
		since := c.weather.Since(f.Number, a.since)
		r.took, r.wall, r.restarted = time.Since(since), time.Since(a.since), since.After(a.since)
		if !since.Equal(from) {
			from, r.whole = since, 0
		}
		if what == "" {
			r.beside = !c.weather.Fair(f.Number)
			return r
		}
		if fair > recoveryLimit || ctx.Err() != nil {
			r.waiting = what
			return r
		}
		_ = cluster.Sleep(ctx, recoveryLook)
		if c.weather.Fair(f.Number) {
			fair += time.Since(last)
			r.whole += time.Since(last)
		}
	}
}

// missing says what has not come true yet, or nothing.
func (c *chaos) missing(ctx context.Context, p *probe, a aftermath) string {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	if a.missing != nil {
		if what, err := a.missing(ctx); err != nil {
			return err.Error()
		} else if what != "" {
			return what
		}
	}
	if p == nil {
		return ""
	}
	if err := p.done(ctx, c.pool); err != nil {
		return err.Error()
	}
	return ""
}

// probe is an item that shows whether the system works.
type probe struct{ id atomic.Pointer[uuid.UUID] }

func (c *chaos) sendProbe(ctx context.Context, f plan.Fault) *probe {
	p := &probe{}
	ticket := c.ledger.Issue(c.cast.probe.workspace, c.cast.probe.definitions[nodeNoop], fmt.Sprintf("probe-%d", f.Number))
	c.background.Go(func() {
		if id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(itemOf(ticket))); ok {
			p.id.Store(&id)
		}
	})
	return p
}

// querier is what a look at the database needs.
type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// done returns nil when the probe has its outcome.
func (p *probe) done(ctx context.Context, db querier) error {
	id := p.id.Load()
	if id == nil {
		return errors.New("the probe is not acknowledged")
	}
	var status string
	err := db.QueryRow(ctx, `SELECT coalesce((SELECT status FROM sluice.whereabouts($1)), 'gone')`, *id).Scan(&status)
	switch {
	case err != nil:
		return fmt.Errorf("look for probe %s: %w", *id, err)
	case status != "COMPLETED":
		return fmt.Errorf("probe %s is %s", *id, status)
	}
	return nil
}
