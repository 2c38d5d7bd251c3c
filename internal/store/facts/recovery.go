package facts

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Failing says that recovery cannot do all of its work: slots are compared with Temporal in turn, if that answers, but nothing is
// learnt from its lists, for example.
type Failing struct {
	Since time.Time `json:"since"`
	Error string    `json:"error"`
}

var failingSQL = load("recovery_failing")

// RecoveryFailing returns nil while recovery does its work.
func RecoveryFailing(ctx context.Context, db store.DB) (*Failing, error) {
	failing, err := store.Collect[Failing](ctx, db, failingSQL)
	if err != nil || len(failing) == 0 {
		return nil, store.Wrap(err, "ask how recovery does")
	}
	return &failing[0], nil
}

// QueueRecoveryFailing adds RecoveryFailing to a batch: a list of one, or an empty one while recovery does its work.
func QueueRecoveryFailing(b *pgx.Batch, to *[]Failing) { store.QueueCollect(b, to, failingSQL) }
