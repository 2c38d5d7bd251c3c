package facts

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// HeldSlot is the time for which an execution held a slot; To is nil while it does. The claim writes From and the outcome
// writes To, each in the statement that takes or frees the slot, so these times prove or disprove a limit exactly.
type HeldSlot struct {
	ID          uuid.UUID
	WorkspaceID uuid.UUID
	From        time.Time
	To          *time.Time
}

// Reopening is a slot given back to an execution because Temporal runs it.
type Reopening struct {
	ID     uuid.UUID
	At     time.Time
	Before *time.Time // when the execution had ended; nil: its item was PENDING
}

var (
	heldSlotsSQL   = load("held_slots", "since", "workspaces")
	reopeningsSQL  = load("reopenings", "since")
	slotHoldersSQL = load("slot_holders")
)

// HeldSlots are the slots that were held at any time since, zero for ever, by the database's clock: by these workspaces,
// or without any by all. One that was given back because its start failed is not among them.
func HeldSlots(ctx context.Context, db store.DB, from time.Time, workspaces ...uuid.UUID) ([]HeldSlot, error) {
	held, err := store.Collect[HeldSlot](ctx, db, heldSlotsSQL, fresh, since(from), orAll(workspaces))
	return held, store.Wrap(err, "read held slots")
}

// EachHeldSlot visits the slots that were held at any time since, zero for ever: those that still are first, and then the one
// that was given back last, and so on. It reads them one by one, so that there may be any number of them.
func EachHeldSlot(ctx context.Context, db store.DB, from time.Time, visit func(HeldSlot)) error {
	rows, err := db.Query(ctx, heldSlotsSQL, fresh, since(from), orAll(nil))
	if err != nil {
		return store.Wrap(err, "read held slots")
	}
	var s HeldSlot
	_, err = pgx.ForEachRow(rows, []any{&s.ID, &s.WorkspaceID, &s.From, &s.To}, func() error {
		visit(s)
		return nil
	})
	return store.Wrap(err, "read held slots")
}

// Reopenings returns those since a moment, zero for all, and all earlier ones of the same executions.
func Reopenings(ctx context.Context, db store.DB, from time.Time) ([]Reopening, error) {
	reopenings, err := store.Collect[Reopening](ctx, db, reopeningsSQL, fresh, since(from))
	return reopenings, store.Wrap(err, "read reopenings")
}

// SlotHolders are the executions that hold a slot.
func SlotHolders(ctx context.Context, db store.DB) ([]uuid.UUID, error) {
	ids, err := store.Values[uuid.UUID](ctx, db, slotHoldersSQL)
	return ids, store.Wrap(err, "read slot holders")
}
