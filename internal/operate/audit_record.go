package operate

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/audit"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// Record is what slots are judged by: the limits there have been, and what was given its slot back.
type Record struct {
	Changes    []audit.Change
	Global     []audit.GlobalChange
	Reopenings []audit.Reopening
}

// ReadRecord reads all changes of limits, and the reopenings since a moment; zero stands for all.
func ReadRecord(ctx context.Context, db store.DB, since time.Time) (r Record, err error) {
	if r.Reopenings, err = reopenings(ctx, db, since); err != nil {
		return r, err
	}
	log, err := facts.LimitChanges(ctx, db)
	if err != nil {
		return r, err
	}
	for _, c := range log {
		r.Changes = append(r.Changes, audit.Change{At: c.At, Workspace: orZero(c.WorkspaceID), Plan: c.Plan, Limit: c.Limit,
			Override: c.Override, Nominal: c.Nominal, Cohort: orZero(c.Cohort)})
	}
	global, err := facts.GlobalLimitChanges(ctx, db)
	for _, c := range global {
		r.Global = append(r.Global, audit.GlobalChange(c))
	}
	return r, err
}

// HeldSlots are the slots that were held at any time since a moment, all of them at once: keep that moment close. What was
// reopened is in parts.
func HeldSlots(ctx context.Context, db store.DB, since time.Time) (held []audit.Held, err error) {
	err = facts.EachHeldSlot(ctx, db, since, func(s facts.HeldSlot) { held = append(held, heldSlot(s)) })
	if err != nil {
		return nil, err
	}
	log, err := reopenings(ctx, db, since)
	return audit.WithReopenings(held, log), err
}

func heldSlot(s facts.HeldSlot) audit.Held {
	return audit.Held{ID: s.ID, Workspace: s.WorkspaceID, From: s.From, To: orZero(s.To)}
}

func reopenings(ctx context.Context, db store.DB, since time.Time) (list []audit.Reopening, err error) {
	log, err := facts.Reopenings(ctx, db, since)
	for _, r := range log {
		list = append(list, audit.Reopening{ID: r.ID, At: r.At, Before: orZero(r.Before)})
	}
	return list, err
}

func orZero[T time.Time | uuid.UUID | string](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}
