package estimates

import (
	"context"
	"embed"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

func load(name string, parameters ...string) string { return store.Load(files, name, parameters...) }

var (
	beginSQL  = load("begin", "age", "times")
	tookSQL   = load("took", "took")
	saveSQL   = load("save", "workspace", "made_at", "due", "id", "start_after", "start_before", "why")
	forgetSQL = load("forget", "made_at")
	startsSQL = load("starts", "ids")
)

// Curve is when the items of a workspace start, see the table.
type Curve struct {
	WorkspaceID uuid.UUID
	Due         []time.Time
	Items       []uuid.UUID // that are due then
	After       []time.Time
	Before      []time.Time
	Why         string // empty: no item is due later
}

// Start is the interval in which a pending item starts in nine cases of ten. Where there is none, why says for what reason.
type Start struct {
	After  *time.Time `json:"after,omitempty"`
	Before *time.Time `json:"before,omitempty"`
	Why    string     `json:"why,omitempty"`
	// EstimatedAt is when that was worked out; nil: it was not, of late.
	EstimatedAt *time.Time `json:"estimatedAt,omitempty"`
}

// Begin is true if it is the caller's to work it out now: nobody has begun to for so long, and for so many times as long as it took.
func Begin(ctx context.Context, db store.DB, age time.Duration, times int) (bool, error) {
	begun, err := store.Values[bool](ctx, db, beginSQL, age.Seconds(), float64(times))
	return len(begun) > 0, store.Wrap(err, "begin to estimate starts")
}

// Took notes how long it took.
func Took(ctx context.Context, db store.DB, took time.Duration) error {
	_, err := db.Exec(ctx, tookSQL, took.Seconds())
	return store.Wrap(err, "note how long estimates took")
}

// Save puts curves on record, and deletes those of other workspaces.
func Save(ctx context.Context, tx pgx.Tx, at time.Time, curves []Curve) error {
	b := &pgx.Batch{}
	for _, c := range curves {
		b.Queue(saveSQL, c.WorkspaceID, at, c.Due, c.Items, c.After, c.Before, c.Why)
	}
	b.Queue(forgetSQL, at)
	return store.Wrap(tx.SendBatch(ctx, b).Close(), "keep estimates")
}

// Starts returns when those of the items start that are pending.
func Starts(ctx context.Context, db store.DB, ids []uuid.UUID) (map[uuid.UUID]Start, error) {
	list, err := store.Collect[struct {
		ID          uuid.UUID
		StartAfter  *time.Time
		StartBefore *time.Time
		Why         *string
		EstimatedAt *time.Time
	}](ctx, db, startsSQL, ids)
	starts := make(map[uuid.UUID]Start, len(list))
	for _, s := range list {
		start := Start{After: s.StartAfter, Before: s.StartBefore, EstimatedAt: s.EstimatedAt}
		if s.Why != nil {
			start.Why = *s.Why
		}
		starts[s.ID] = start
	}
	return starts, store.Wrap(err, "read when items start")
}
