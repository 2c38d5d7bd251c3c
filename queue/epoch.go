package queue

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// Fence is what a dispatcher's write must still be entitled to: the newest epoch of its shard, and its own cycle.
type Fence struct {
	Shard int
	Epoch int64
	Cycle int64
	// Dispatch is the number of the dispatch, as BeginDispatch gives it; zero stands for any.
	Dispatch int64
}

// OpenEpoch makes the run the owner of the shard and returns its fencing token. Opening again with the same run id
// returns the same epoch, so a repeated step changes nothing; any other run is fenced off from then on.
func (q *Queue) OpenEpoch(ctx context.Context, shard int, runID string) (int64, error) {
	var epoch int64
	err := q.pool.QueryRow(ctx, `
		INSERT INTO sluice.dispatchers AS d (shard, epoch, run_id) VALUES ($1, 1, $2)
		ON CONFLICT (shard) DO UPDATE SET epoch = d.epoch + 1, cycle = 0, run_id = excluded.run_id, updated_at = now()
			WHERE d.run_id <> excluded.run_id
		RETURNING epoch`, shard, runID).Scan(&epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		err = q.pool.QueryRow(ctx, `SELECT epoch FROM sluice.dispatchers WHERE shard = $1 AND run_id = $2`, shard, runID).Scan(&epoch)
	}
	return epoch, wrap(err, "open dispatcher epoch")
}

// PassCycle takes the number of the fence's cycle, as a claim does that finds nothing: of a claim in this cycle or an
// earlier one, which may still be on its way, the first to come counts, and it is waited for.
func (q *Queue) PassCycle(ctx context.Context, fence Fence) error {
	_, err := q.pool.Exec(ctx, `UPDATE sluice.dispatchers SET cycle = $3, updated_at = now() WHERE shard = $1 AND epoch = $2 AND cycle < $3`,
		fence.Shard, fence.Epoch, fence.Cycle)
	return wrap(err, "pass a cycle")
}
