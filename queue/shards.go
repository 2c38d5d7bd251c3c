package queue

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// MaxShards is the most dispatchers that can share the workspaces.
const MaxShards = 64

// Shard is the queue as the dispatcher of a shard sees it: Capacity, Undispatched, Rung and Spin are about the workspaces
// that belong to the shard under the number of shards that is stored at that moment. Where a Fence or an argument names
// the shard, that one counts. A Queue is that of shard 0, which owns all workspaces unless SetShards has said otherwise.
func (q *Queue) Shard(shard int) *Queue {
	of := *q
	of.shard = shard
	return &of
}

// Shards is how many shards there are: at least 1.
func (q *Queue) Shards(ctx context.Context) (n int, err error) {
	err = q.pool.QueryRow(ctx, `SELECT coalesce((SELECT shards FROM sluice.settings), 1)`).Scan(&n)
	return n, wrap(err, "read the number of shards")
}

// SetShards changes how many shards there are, 1 to MaxShards, and wakes all dispatchers. It waits for the claims that
// are under way, 5 s at most: when it returns, every claim and every dispatch begun before has ended or can only start
// what it holds, and each one after it keeps to the new owners. Nothing is moved: what was claimed and not dispatched
// is whose workspace it is now.
func (q *Queue) SetShards(ctx context.Context, n int, actor string) error {
	if err := CheckShards(n); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE sluice.settings SET shards = $1, updated_at = now() WHERE shards <> $1`, n); err != nil {
			return err
		}
		// Known from now on, although a dispatcher that begins paused opens its first epoch when it is resumed.
		_, err := tx.Exec(ctx, `INSERT INTO sluice.dispatchers (shard) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING`, n)
		return err
	})
	return wrap(err, "change the number of shards")
}

// ShardsInUse are the shards there are, and those beyond them whose dispatcher is not known to have retired.
func (q *Queue) ShardsInUse(ctx context.Context) ([]int, error) {
	rows, err := q.pool.Query(ctx, `
		SELECT shard FROM sluice.settings s CROSS JOIN generate_series(0, s.shards - 1) AS shard
		UNION SELECT shard FROM sluice.dispatchers WHERE retired_run IS DISTINCT FROM run_id ORDER BY shard`)
	if err != nil {
		return nil, wrap(err, "read the shards in use")
	}
	shards, err := pgx.CollectRows(rows, pgx.RowTo[int])
	return shards, wrap(err, "read the shards in use")
}

// CheckShards returns ErrInvalid for a number of shards that there can not be.
func CheckShards(n int) error {
	if n < 1 || n > MaxShards {
		return invalid("shards must be 1 to %d, got %d", MaxShards, n)
	}
	return nil
}

// Retire notes that a dispatcher's run ends because its shard is none of the stored ones any more, and tells whether
// that is so. Once noted it stays so for this run, also if the shard comes back meanwhile: whoever starts dispatchers
// then finds it in RetiredRun, and lets the shard have another run. ErrFenced says that another run owns the shard.
func (q *Queue) Retire(ctx context.Context, shard int, runID string) (retired bool, err error) {
	err = q.pool.QueryRow(ctx, `
		WITH noted AS (
			UPDATE sluice.dispatchers SET retired_run = run_id
			WHERE shard = $1 AND run_id = $2 AND (retired_run = run_id OR shard >= (SELECT shards FROM sluice.settings)) RETURNING shard
		)
		SELECT EXISTS (SELECT FROM noted) FROM sluice.dispatchers WHERE shard = $1 AND run_id = $2`, shard, runID).Scan(&retired)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrFenced
	}
	return retired, wrap(err, "retire a dispatcher")
}

// RetiredRun is the last run of a shard's dispatcher that was noted by Retire; empty when there was none.
func (q *Queue) RetiredRun(ctx context.Context, shard int) (runID string, err error) {
	err = q.pool.QueryRow(ctx, `SELECT coalesce((SELECT retired_run FROM sluice.dispatchers WHERE shard = $1), '')`, shard).Scan(&runID)
	return runID, wrap(err, "look for a retired dispatcher")
}

// eachShard calls do with the queue of each shard there is.
func (q *Queue) eachShard(ctx context.Context, do func(*Queue) error) error {
	n, err := q.Shards(ctx)
	for shard := 0; shard < n && err == nil; shard++ {
		err = do(q.Shard(shard))
	}
	return err
}

// The shard that owns the workspace of an alias: of q a view or table with a cohort column, of others by look-up. With one
// shard there is nothing to look up. The alias n is that of sluice.settings, joined by n.one: without a condition that its
// index knows, the planner would see nothing but the cost of a sequential scan, which the dispatcher has forbidden.
const (
	ownerOfQuota = `sluice.shard_of(q.workspace_id, q.cohort, n.shards)`
	ownerOfSlot  = `sluice.shard_of(s.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = s.workspace_id), n.shards)`
	ownerOfBell  = `sluice.shard_of(b.workspace_id, (SELECT w.cohort FROM sluice.workspaces w WHERE w.id = b.workspace_id), n.shards)`
)

// heard are the bells d, each with the workspaces b it is of, that are news for the shard $2: those of its workspaces, and a
// changed limit. While all share a limit everything is: what one gives back another may take.
const heard = `sluice.doorbell d CROSS JOIN LATERAL unnest(coalesce(d.workspaces, ARRAY[d.workspace_id])) AS b (workspace_id)
	JOIN sluice.settings n ON n.one AND (d.limits OR n.max_concurrent_workflows IS NOT NULL OR ` + ownerOfBell + ` = $2)`

// rungForShardSQL narrows rungSQL to a shard. It is a statement of its own, because it takes twice as long to plan, and
// with one shard nobody needs it.
const rungForShardSQL = `
SELECT EXISTS (SELECT FROM ` + heard + ` WHERE d.xid >= pg_snapshot_xmax($1::text::pg_snapshot))
    OR EXISTS (SELECT FROM ` + heard + ` WHERE d.xid = ANY (ARRAY(SELECT pg_snapshot_xip($1::text::pg_snapshot))))`

// spareConnections are left to those who do not wait: a claim, a settle, a message, an outcome.
const spareConnections = 4

// takeWait tells whether one more wait may hold a connection of the pool; if so, release must be called. Dispatchers of
// several shards may be parked in one process, and must not keep the last connection from those that work.
func (q *Queue) takeWait() (release func(), ok bool) {
	most := max(1, int64(q.pool.Stat().MaxConns())-spareConnections)
	if q.waits.Add(1) > most {
		q.waits.Add(-1)
		return nil, false
	}
	return func() { q.waits.Add(-1) }, true
}
