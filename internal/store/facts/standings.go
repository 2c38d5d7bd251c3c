package facts

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Standing is where an item is at one moment.
type Standing struct {
	ID     uuid.UUID
	Status *string    // of its execution, else of the item; nil: there is no such item
	SlotAt *time.Time // when it took the slot it holds; nil: it holds none
}

// ExecutionTime is when an execution waited and held its slot. Its status is CLAIMED until it is dispatched.
type ExecutionTime struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	Status      string
	AvailableAt time.Time
	ClaimedAt   time.Time
	CompletedAt *time.Time
}

// Traced is an execution as a simulation needs it.
type Traced struct {
	WorkspaceID uuid.UUID
	AvailableAt time.Time
	Priority    int
	Runs        time.Duration // for which it held its slot

	DefinitionID uuid.UUID // nil: it is a workflow
	WorkflowType string
}

var (
	standingsSQL      = load("standings", "ids", "oldest")
	executionTimesSQL = load("execution_times", "ids", "oldest")
	traceSQL          = load("trace", "since", "most")
)

// Standings tells where items are, in any order.
func Standings(ctx context.Context, db store.DB, items []uuid.UUID) ([]Standing, error) {
	standings, err := store.Collect[Standing](ctx, db, standingsSQL, items, oldest(items))
	return standings, store.Wrap(err, "read standings")
}

// ExecutionTimes returns those of the items that have become executions.
func ExecutionTimes(ctx context.Context, db store.DB, items []uuid.UUID) ([]ExecutionTime, error) {
	times, err := store.Collect[ExecutionTime](ctx, db, executionTimesSQL, items, oldest(items))
	return times, store.Wrap(err, "read executions")
}

// Trace returns the executions that became available since and have ended, oldest first; of more than most the newest.
func Trace(ctx context.Context, db store.DB, from time.Time, most int) ([]Traced, error) {
	trace, err := store.Collect[Traced](ctx, db, traceSQL, from, most)
	return trace, store.Wrap(err, "read trace")
}
