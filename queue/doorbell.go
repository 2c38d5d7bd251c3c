package queue

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Mark is a moment of the database: a snapshot in Postgres' own notation (xmin:xmax:in-progress list).
type Mark string

// channel is what sluice.wake sends to.
const channel = "sluice_doorbell"

// Rung tells whether the shard's doorbell was rung by a transaction that the mark did not see: new work, a freed slot, or a
// changed limit. Transactions that were open at the mark and committed later are found by their ids, so a late commit
// is never missed. An empty mark has seen nothing.
func (q *Queue) Rung(ctx context.Context, since Mark) (bool, error) {
	return rung(ctx, q.pool, q.shard, since)
}

func rung(ctx context.Context, db executor, shard int, since Mark) (bool, error) {
	if since == "" {
		return true, nil
	}
	var yes, mayBeOthers bool
	err := db.QueryRow(ctx, rungSQL, string(since)).Scan(&yes, &mayBeOthers)
	if err == nil && yes && mayBeOthers {
		err = db.QueryRow(ctx, rungForShardSQL, string(since), shard).Scan(&yes)
	}
	return yes, wrap(err, "read doorbell")
}

const rungSQL = `
SELECT EXISTS (SELECT FROM sluice.doorbell WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot))
    OR EXISTS (SELECT FROM sluice.doorbell WHERE xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot)))),
       coalesce((SELECT n.shards > 1 AND n.max_concurrent_workflows IS NULL FROM sluice.settings n WHERE n.one), false)`

// Await waits until the doorbell has been rung since the mark, until is reached (zero: never) or ctx ends, and tells
// whether it was rung. It parks: it listens, says so in the table parked, and looks for itself every poll. It holds
// one connection of the pool meanwhile, unless others that wait hold all but a few: then it looks 20 times a second.
func (q *Queue) Await(ctx context.Context, shard int, since Mark, until time.Time, poll time.Duration) (bool, error) {
	release, ok := q.takeWait()
	if !ok {
		return q.Shard(shard).spin(ctx, since, until, crowdedEvery)
	}
	defer release()
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return false, wrap(err, "park")
	}
	token := uuid.New()
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, err := conn.Exec(cleanup, `DELETE FROM sluice.parked WHERE shard = $1 AND token = $2`, shard, token)
		if err == nil {
			_, err = conn.Exec(cleanup, `UNLISTEN `+channel)
		}
		if err == nil {
			conn.Release()
			return
		}
		_ = conn.Conn().Close(cleanup) // an interrupted wait leaves the connection unusable; the pool replaces it
		conn.Release()
		_, _ = q.pool.Exec(cleanup, `DELETE FROM sluice.parked WHERE shard = $1 AND token = $2`, shard, token)
	}()
	// Listen and be seen first, look second: what commits in between is then either notified or found.
	batch := &pgx.Batch{}
	batch.Queue(`LISTEN ` + channel)
	batch.Queue(`INSERT INTO sluice.parked (shard, token) VALUES ($1, $2)
		ON CONFLICT (shard) DO UPDATE SET token = excluded.token, parked_at = now()`, shard, token)
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		return false, wrap(err, "park")
	}
	for parked := time.Now(); ; {
		if yes, err := rung(ctx, conn, shard, since); yes || err != nil {
			return yes, err
		}
		// An enqueue that was under way meanwhile has not seen who parked, and is not notified of: what takes it as long
		// again as the wait has lasted is found as soon.
		wait := min(poll, max(firstLook, time.Since(parked)))
		if !until.IsZero() {
			wait = min(wait, time.Until(until))
		}
		if wait <= 0 {
			return false, nil
		}
		waiting, cancel := context.WithTimeout(ctx, wait)
		_, err := conn.Conn().WaitForNotification(waiting)
		cancel()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil && waiting.Err() == nil {
			return false, wrap(err, "wait for the doorbell")
		}
	}
}

// firstLook is when somebody who has parked looks again at first: an enqueue takes some milliseconds, most of them at its commit.
const firstLook = 5 * time.Millisecond

// crowdedEvery is how often somebody looks who has no connection to be notified on.
const crowdedEvery = 50 * time.Millisecond

// Spin is Await without parking: it looks at first every millisecond, then ever more seldom, down to every spinSlowest, at
// most until the deadline. For as long as traffic flows this is cheaper than being notified, because NOTIFY serialises
// the commits of those who ring.
func (q *Queue) Spin(ctx context.Context, since Mark, deadline time.Time) (bool, error) {
	return q.spin(ctx, since, deadline, spinSlowest)
}

// spin looks ever more seldom, down to every slowest, until the deadline (zero: for ever).
func (q *Queue) spin(ctx context.Context, since Mark, deadline time.Time, slowest time.Duration) (bool, error) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-timer.C:
		}
		if yes, err := q.Rung(ctx, since); yes || err != nil || !deadline.IsZero() && !time.Now().Before(deadline) {
			return yes, err
		}
		timer.Reset(min(max(time.Since(began)/50, spinQuickest), slowest))
	}
}

// A look costs 0.1 ms of Postgres. Who fills a slot again hears of it some ten milliseconds after the last start; later
// on it is an enqueue that waits for half of the slower pace.
const (
	spinQuickest = time.Millisecond
	spinSlowest  = 2 * time.Millisecond
)
