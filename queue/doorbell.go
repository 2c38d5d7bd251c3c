package queue

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
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
		return q.Shard(shard).look(ctx, nil, since, until, crowdedEvery)
	}
	defer release()
	return q.Shard(shard).listen(ctx, nil, since, until, poll)
}

// listen waits to be notified. Whoever also listens to what is near is not parked but spins, and is notified all the same.
func (q *Queue) listen(ctx context.Context, near <-chan struct{}, since Mark, until time.Time, poll time.Duration) (bool, error) {
	shard := q.shard
	conn, err := q.pool.Acquire(ctx)
	if err != nil {
		return false, wrap(err, "park")
	}
	token := uuid.New()
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		batch := &pgx.Batch{}
		batch.Queue(unhurriedSQL)
		batch.Queue(`DELETE FROM sluice.parked WHERE shard = $1 AND token = $2`, shard, token)
		batch.Queue(`UNLISTEN ` + channel)
		if conn.SendBatch(cleanup, batch).Close() == nil {
			drain(conn)
			conn.Release()
			return
		}
		_ = conn.Conn().Close(cleanup) // an interrupted wait leaves the connection unusable; the pool replaces it
		conn.Release()
		_, _ = q.pool.Exec(cleanup, `DELETE FROM sluice.parked WHERE shard = $1 AND token = $2`, shard, token)
	}()
	// Listen and be seen first, look second: what commits in between is then either notified or found.
	batch := &pgx.Batch{}
	batch.Queue(unhurriedSQL)
	batch.Queue(`LISTEN ` + channel)
	batch.Queue(`INSERT INTO sluice.parked (shard, token, spinning) VALUES ($1, $2, $3)
		ON CONFLICT (shard) DO UPDATE SET token = excluded.token, spinning = excluded.spinning, parked_at = now()`, shard, token, near != nil)
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
		notified, err := waitForNotification(ctx, conn, near, wait)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err == errNear, err == nil && (notified.Payload == "" || notified.Payload == strconv.Itoa(q.shard)):
			return true, nil
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return false, wrap(err, "wait for the doorbell")
		}
	}
}

var errNear = errors.New("this process has put something on record")

// waitForNotification waits for so long. It never interrupts a statement, which would cost the connection.
func waitForNotification(ctx context.Context, conn *pgxpool.Conn, near <-chan struct{}, wait time.Duration) (*pgconn.Notification, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		select {
		case <-near:
			cancel()
		case <-ctx.Done():
		}
	}()
	notified, err := conn.Conn().WaitForNotification(ctx)
	cancel()
	<-heard
	select {
	case <-near:
		return nil, errNear
	default:
		return notified, err
	}
}

// drain forgets what has been notified and not been waited for: the next who listens on the connection would take it for news.
func drain(conn *pgxpool.Conn) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		if _, err := conn.Conn().WaitForNotification(over); err != nil {
			return
		}
	}
}

// firstLook is when somebody who has parked looks again at first: an enqueue takes some milliseconds, most of them at its commit.
const firstLook = 5 * time.Millisecond

// crowdedEvery is how often somebody looks who has no connection to be notified on.
const crowdedEvery = 50 * time.Millisecond

// Spin is Await without parking. At first it looks every millisecond: for as long as traffic flows that is cheaper than
// being notified, because NOTIFY serialises the commits of those who ring. When nothing has come for a while it listens
// too, if there is a connection for it. What this process itself enqueues, or records as an outcome, it hears of at once.
func (q *Queue) Spin(ctx context.Context, since Mark, deadline time.Time) (bool, error) {
	near := q.near.rung()
	release, ok := q.takeWait()
	if !ok {
		return q.look(ctx, near, since, deadline, spinSlowest)
	}
	defer release()
	quick := time.Now().Add(spinQuick)
	if deadline.Before(quick) {
		quick = deadline
	}
	if yes, err := q.look(ctx, near, since, quick, spinQuickest); yes || err != nil || quick.Equal(deadline) {
		return yes, err
	}
	return q.listen(ctx, near, since, deadline, spinPoll)
}

// look looks at first every millisecond, then ever more seldom, down to every slowest, until the deadline (zero: for ever).
func (q *Queue) look(ctx context.Context, near <-chan struct{}, since Mark, deadline time.Time, slowest time.Duration) (bool, error) {
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-near:
			return true, nil
		case <-timer.C:
		}
		if yes, err := q.Rung(ctx, since); yes || err != nil || !deadline.IsZero() && !time.Now().Before(deadline) {
			return yes, err
		}
		timer.Reset(min(max(time.Since(began)/50, spinQuickest), slowest))
	}
}

// A look costs 0.05 ms of Postgres. Who fills a slot again hears of it some ten milliseconds after the last start.
const (
	spinQuickest = time.Millisecond
	spinSlowest  = 2 * time.Millisecond
	spinQuick    = 20 * time.Millisecond
	spinPoll     = 50 * time.Millisecond
)
