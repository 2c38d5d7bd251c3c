package facts

import (
	"context"
	"math"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// OverdueItem is an item that could start and does not.
type OverdueItem struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	AvailableAt time.Time
}

var (
	overdueSQL = load("overdue", "age", "workspaces", "slots")
	readySQL   = load("ready", "most")
)

// overdueMost is how many items of a workspace are looked at.
const overdueMost = 1000

// Overdue returns the items that have been ready for so long although the policy would start some of their workspace
// now: of each workspace as many as it would start at most.
func Overdue(ctx context.Context, db store.DB, age time.Duration) ([]OverdueItem, error) {
	capacities, err := Capacities(ctx, db, overdueMost)
	if err != nil {
		return nil, err
	}
	var workspaces []uuid.UUID
	var slots []int
	for i := range capacities {
		for _, g := range admission.Decide(capacities[i].Input(math.MaxInt32)).Grants {
			workspaces, slots = append(workspaces, g.ID), append(slots, g.Slots)
		}
	}
	items, err := store.Collect[OverdueItem](ctx, db, overdueSQL, age, workspaces, slots)
	return items, store.Wrap(err, "read overdue items")
}

// Ready counts the items that could start if their workspace had a free slot, up to most.
func Ready(ctx context.Context, db store.DB, most int) (n int64, err error) {
	err = db.QueryRow(ctx, readySQL, most).Scan(&n)
	return n, store.Wrap(err, "count ready items")
}
