package facts

import (
	"context"
	"embed"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

func load(name string, parameters ...string) string { return store.Load(files, name, parameters...) }

// fresh, as the first argument of a statement, has it planned for the others each time. Otherwise one plan would be kept, and
// would have to do for NULL, which stands for all there is, as well as for a few.
const fresh = pgx.QueryExecModeCacheDescribe

// oldest is the id before whose making nothing of these ids has happened; uuid.Nil, after which everything has, if one of
// them does not tell when it was made.
func oldest(ids []uuid.UUID) uuid.UUID {
	if len(ids) == 0 || slices.ContainsFunc(ids, func(id uuid.UUID) bool { return id.Version() != 7 }) {
		return uuid.Nil
	}
	return slices.MinFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
}

// madeAt is sluice.made_at: when the id of an item was made, less an hour for clocks that differ. Zero: it does not tell.
func madeAt(id uuid.UUID) time.Time {
	if id.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(id.Time().UnixTime()).Add(-time.Hour)
}

// since is the parameter of a statement for which NULL stands for all there is.
func since(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// orAll is the parameter of a statement for which NULL stands for all there are.
func orAll(ids []uuid.UUID) []uuid.UUID {
	if len(ids) == 0 {
		return nil
	}
	return ids
}

var nowSQL = load("now")

// Now is the database's clock.
func Now(ctx context.Context, db store.DB) (now time.Time, err error) {
	err = db.QueryRow(ctx, nowSQL).Scan(&now)
	return now, store.Wrap(err, "read the clock")
}
