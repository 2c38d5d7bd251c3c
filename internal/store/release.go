package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

var (
	staleClaimsSQL  = load("stale_claims", "age", "most")
	releaseTurnsSQL = load("release_turns", "ids")
	releaseSQL      = load("release", "ids", "age")
)

// StaleClaims returns executions that were claimed longer than age ago and are not known to be started: no dispatcher has
// taken them up. The oldest claims come first.
func StaleClaims(ctx context.Context, db DB, age time.Duration, most int) ([]uuid.UUID, error) {
	ids, err := Values[uuid.UUID](ctx, db, staleClaimsSQL, age, most)
	return ids, Wrap(err, "read stale claims")
}

// Release puts stale claims whose workflow does not exist back to pending, without counting an attempt, and returns which.
func Release(ctx context.Context, db DB, ids []uuid.UUID, age time.Duration) (released []uuid.UUID, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids = inOrder(ids, func(id uuid.UUID) uuid.UUID { return id })
	b := tuned()
	b.Queue(releaseTurnsSQL, ids)
	b.Queue(releaseSQL, ids, age).Query(func(rows pgx.Rows) (err error) {
		released, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return released, Wrap(db.SendBatch(ctx, b).Close(), "release stale claims")
}
