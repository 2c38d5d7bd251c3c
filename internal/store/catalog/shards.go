package catalog

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// MaxShards is the most dispatchers that can share the workspaces.
const MaxShards = 64

// CheckShards returns an error of kind store.ErrInvalid for a number of shards that there cannot be.
func CheckShards(n int) error {
	if n < 1 || n > MaxShards {
		return store.Invalid("shards must be 1 to %d, got %d", MaxShards, n)
	}
	return nil
}

var shardsSQL = load("shards")

// Shards is how many shards there are: at least 1.
func Shards(ctx context.Context, db store.DB) (n int, err error) {
	err = db.QueryRow(ctx, shardsSQL).Scan(&n)
	return n, store.Wrap(err, "read the number of shards")
}

var setShardsSQL = load("set_shards", "shards")

// SetShards changes how many shards there are, 1 to MaxShards. At its commit it takes a turn of every shard, for which it
// waits for a claim that is under way, 5 s at most: no claim that was planned for the former owners succeeds after that.
// Nothing is moved: what is claimed and not dispatched is its workspace's new owner's to start.
func SetShards(ctx context.Context, db store.DB, n int, actor string) error {
	if err := CheckShards(n); err != nil {
		return err
	}
	b := &pgx.Batch{} // it is one transaction
	b.Queue(actAsSQL, actor)
	b.Queue(setShardsSQL, n)
	return store.Wrap(db.SendBatch(ctx, b).Close(), "change the number of shards")
}

var shardsInUseSQL = load("shards_in_use")

// ShardsInUse are the shards there are, and those beyond them whose dispatcher is not known to have retired.
func ShardsInUse(ctx context.Context, db store.DB) ([]int, error) {
	shards, err := store.Values[int](ctx, db, shardsInUseSQL)
	return shards, store.Wrap(err, "read the shards in use")
}

var retireSQL = load("retire", "shard", "run")

// Retire notes that a run of a dispatcher ends because its shard is not one of those there are any more, and tells whether
// that is so. Once noted it stays so for this run, also if the shard comes back meanwhile: RetiredRun then says to the program
// that starts dispatchers that the shard needs another run. store.ErrFenced says that another run owns the shard.
func Retire(ctx context.Context, db store.DB, shard int, runID string) (retired bool, err error) {
	err = db.QueryRow(ctx, retireSQL, shard, runID).Scan(&retired)
	if errors.Is(err, pgx.ErrNoRows) {
		err = store.ErrFenced
	}
	return retired, store.Wrap(err, "retire a dispatcher")
}

var retiredRunSQL = load("retired_run", "shard")

// RetiredRun is the last run of a shard's dispatcher that was noted by Retire; empty if there was none.
func RetiredRun(ctx context.Context, db store.DB, shard int) (runID string, err error) {
	err = db.QueryRow(ctx, retiredRunSQL, shard).Scan(&runID)
	return runID, store.Wrap(err, "look for a retired dispatcher")
}
