package dispatch

import (
	"context"
	"time"

	"sluice/internal/store"
)

// Watch waits until there may be something new for the shard, or until a time, and tells which. It looks every millisecond at
// first: while traffic flows that is cheaper than to be notified, because NOTIFY serialises the commits of those that send it. When
// nothing has come for a while it listens too, if there is a connection for it. What this process itself records it hears of
// at once. It brings the cache up to date with what it finds.
func (e *Engine) Watch(ctx context.Context, until time.Time) (bool, error) {
	quick := time.Now().Add(lookQuickly)
	if until.Before(quick) {
		quick = until
	}
	if yes, err := e.look(ctx, quick, lookEvery); yes || err != nil || quick.Equal(until) {
		return yes, err
	}
	return e.Await(ctx, until, lookWhileWatching)
}

const (
	lookQuickly       = 20 * time.Millisecond
	lookEvery         = time.Millisecond
	lookWhileWatching = 50 * time.Millisecond
	// lookCrowded is how often it looks where listeners hold all connections that can be spared.
	lookCrowded = 50 * time.Millisecond
	// lookFirst is when a listener looks by itself at first: an enqueue that was under way when it began to listen does not notify
	// it, and takes some milliseconds, most of them at its commit.
	lookFirst = 5 * time.Millisecond
	// spareConnections are left to what does not wait: claims, settles, outcomes.
	spareConnections = 4
)

// look looks every so often, more seldom the longer it lasts.
func (e *Engine) look(ctx context.Context, until time.Time, every time.Duration) (bool, error) {
	began := time.Now()
	for {
		yes, err := e.news(ctx, func(turn int64, mark string) (store.News, error) { return store.Hear(ctx, e.pool, e.shard, turn, mark) })
		if yes || err != nil || !time.Now().Before(until) {
			return yes, err
		}
		timer := time.NewTimer(min(max(time.Since(began)/50, every), max(0, time.Until(until))))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, ctx.Err()
		case <-e.woken:
			timer.Stop()
			return true, nil
		case <-timer.C:
		}
	}
}

// Await waits like Watch, but from the beginning on a connection on which it is notified, and looks by itself every poll at
// most. Without a connection for that it looks 20 times a second.
func (e *Engine) Await(ctx context.Context, until time.Time, poll time.Duration) (bool, error) {
	release, ok := e.engines.takeListener()
	if !ok {
		return e.look(ctx, until, lookCrowded)
	}
	defer release()
	l, err := store.Listen(ctx, e.pool, e.shard)
	if err != nil {
		return false, err
	}
	defer l.Close()
	for began := time.Now(); ; {
		// It looks after it has begun to listen: what commits in between is either notified or found.
		yes, err := e.news(ctx, func(turn int64, mark string) (store.News, error) { return l.Hear(ctx, turn, mark) })
		if yes || err != nil {
			return yes, err
		}
		wait := min(poll, max(lookFirst, time.Since(began)), time.Until(until))
		if wait <= 0 {
			return false, nil
		}
		if err := l.Wait(ctx, e.woken, wait); err != nil {
			return false, err
		}
		if e.hinted() || e.doubts() {
			return true, nil
		}
	}
}

// news tells whether there is anything new, and takes it in.
func (e *Engine) news(ctx context.Context, hear func(turn int64, mark string) (store.News, error)) (bool, error) {
	defer e.lock()()
	if !e.cache.known || e.hinted() {
		return true, nil
	}
	e.putBack()
	h := &hearing{engine: e, began: time.Now(), scan: scan{batch: e.cache.in.Batch}}
	var err error
	if h.news, err = hear(e.cache.turn, e.cache.mark); err != nil {
		err = e.unheard(err)
		return err == nil, err
	}
	return h.news.Any(), e.apply(ctx, h)
}

// hinted tells whether this process has recorded outcomes that the cache does not know of.
func (e *Engine) hinted() bool {
	e.hintMu.Lock()
	defer e.hintMu.Unlock()
	return len(e.hints) > 0
}

// takeListener tells whether one more listener may hold a connection; if so, release must be called. Dispatchers of several
// shards may wait in one process, and must not keep the last connection from what works.
func (e *Engines) takeListener() (release func(), ok bool) {
	most := max(1, int64(e.pool.Stat().MaxConns())-spareConnections)
	if e.listening.Add(1) > most {
		e.listening.Add(-1)
		return nil, false
	}
	return func() { e.listening.Add(-1) }, true
}
