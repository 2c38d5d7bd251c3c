package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/ledger"
	"sluice/queue"
)

const (
	// backlogLimit is where the load waits: what it enqueues must be executed in the same run.
	backlogLimit = 300
	loadTick     = 100 * time.Millisecond
)

// shares say of how many in a hundred executions run which definition, or which workflow type of an application's own.
var shares = []struct {
	definition string
	percent    int
}{{nodeNoop, 18}, {nodeBlink, 18}, {nodeCall, 14}, {nodeDiamond, 10}, {nodeNap, 6}, {nodeDoze, 2}, {nodeFail, 4},
	{ownCompletes, 10}, {ownFails, 4}, {ownNaps, 5}, {ownContinues, 4}, {ownRetries, 3}, {ownOverruns, 2}}

// load enqueues a mix of everything at a rate.
type load struct {
	*chaos
	random *rand.Rand
	keys   int
	paused atomic.Bool // the backlog is long enough
	peak   atomic.Int64
}

// run enqueues until loading ends. Clients that are still waiting for an answer go on asking until ctx ends.
func (l *load) run(ctx, loading context.Context, rate float64) {
	var due float64
	for cluster.Sleep(loading, loadTick) == nil {
		if l.paused.Load() {
			continue
		}
		for due += rate * loadTick.Seconds(); due >= 1; {
			due -= float64(l.client(ctx))
		}
	}
}

// watch keeps an eye on the backlog until ctx ends.
func (l *load) watch(ctx context.Context) {
	for cluster.Sleep(ctx, time.Second) == nil {
		var waiting int64
		if err := l.pool.QueryRow(ctx, `SELECT count(*) FROM sluice.pending`).Scan(&waiting); err != nil {
			l.paused.Store(true) // clients that ask again pile up while the database is away
			continue
		}
		l.peak.Store(max(l.peak.Load(), waiting))
		l.paused.Store(waiting > backlogLimit)
	}
}

// client lets one client do its work in the background, and returns how many executions that is meant to give.
func (l *load) client(ctx context.Context) int {
	at := l.cast.places[l.random.IntN(len(l.cast.places))]
	in := func(work func()) int {
		l.background.Go(work)
		return 1
	}
	switch chance := l.random.IntN(100); {
	case chance < 20:
		t := l.ticket(at, false)
		item := l.varied(t, true)
		return in(func() { l.once(ctx, t, l.enqueueByGo(item)) })
	case chance < 40:
		t := l.ticket(at, true)
		item := l.varied(t, false)
		return in(func() { l.untilAnswered(ctx, t, l.enqueueByGo(item)) })
	case chance < 55:
		t := l.ticket(at, true)
		item := l.varied(t, false)
		return in(func() { l.untilAnswered(ctx, t, l.enqueueBySQL(item)) })
	case chance < 65:
		t := l.ticket(at, true)
		item := l.varied(t, true)
		return in(func() { l.untilAnswered(ctx, t, l.enqueueInTx(item, true)) })
	case chance < 70:
		t := l.ticket(at, false)
		return in(func() { l.once(ctx, t, l.enqueueInTx(itemOf(t), true)) })
	case chance < 80:
		t := l.ticket(at, false)
		l.ledger.RollBack(t)
		return in(func() {
			limited, cancel := context.WithTimeout(ctx, clientTimeout)
			defer cancel()
			_, _ = l.enqueueInTx(itemOf(t), false)(limited)
		})
	case chance < 92:
		t := l.ticket(at, true)
		patience := time.Duration(1+l.random.IntN(8)) * time.Millisecond
		l.impatient(ctx, t, patience, l.enqueueByGo(itemOf(t)), l.enqueueBySQL(itemOf(t)), l.enqueueInTx(itemOf(t), true))
		return 1
	default:
		tickets := make([]ledger.Ticket, 4+l.random.IntN(12))
		for i := range tickets {
			tickets[i] = l.ticket(at, false)
		}
		l.background.Go(func() { l.many(ctx, tickets) })
		return len(tickets)
	}
}

// ticket is for one of the workspace's definitions, by their shares.
func (l *load) ticket(at place, keyed bool) ledger.Ticket {
	chance, key := l.random.IntN(100), ""
	if keyed {
		l.keys++
		key = fmt.Sprintf("key-%d", l.keys)
	}
	for _, s := range shares {
		if chance -= s.percent; chance < 0 {
			return l.ledger.Issue(at.workspace, at.definitions[s.definition], key)
		}
	}
	panic("the shares make less than a hundred")
}

// varied is the ticket's item with some priority, now and then for later, and now and then with an expiry.
func (l *load) varied(t ledger.Ticket, mayExpire bool) queue.Item {
	item := itemOf(t)
	item.Priority = 1 + l.random.IntN(5)
	now := time.Now()
	if l.random.IntN(100) < 10 {
		item.AvailableAt = now.Add(l.some(10 * time.Second))
	}
	if mayExpire && l.random.IntN(100) < 10 {
		item.ExpiresAt = now
		if !item.AvailableAt.IsZero() {
			item.ExpiresAt = item.AvailableAt
		}
		item.ExpiresAt = item.ExpiresAt.Add(l.some(20 * time.Second))
	}
	return item
}

// some is a duration up to longest, at least a tenth of it.
func (l *load) some(longest time.Duration) time.Duration {
	return longest/10 + time.Duration(l.random.Int64N(int64(longest-longest/10)))
}
