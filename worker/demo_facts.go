package main

import (
	"context"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store/facts"
)

// demoFacts are the rows that the summary is computed from.
type demoFacts struct {
	executions []facts.ExecutionTime // of this run
	slots      []facts.HeldSlot      // of every execution of its workspaces that overlaps with it, this run's or not
	refused    int                   // items of this run that ended without an execution
	workspaces map[uuid.UUID]demoWorkspace
}

func (d *demo) facts(ctx context.Context, ids []uuid.UUID, workspaces []demoWorkspace) (demoFacts, error) {
	f := demoFacts{workspaces: map[uuid.UUID]demoWorkspace{}}
	for _, w := range workspaces {
		f.workspaces[w.ID] = w
	}
	var err error
	if f.executions, err = facts.ExecutionTimes(ctx, d.pool, ids); err != nil {
		return f, err
	}
	f.refused = len(ids) - len(f.executions)
	var since time.Time // when the first of them could start
	for _, e := range f.executions {
		if since.IsZero() || e.AvailableAt.Before(since) {
			since = e.AvailableAt
		}
	}
	f.slots, err = facts.HeldSlots(ctx, d.pool, since, idsOf(workspaces)...)
	return f, err
}

// doneBefore counts the executions of earlier runs, by workspace.
func (d *demo) doneBefore(ctx context.Context, workspaces []demoWorkspace) (map[uuid.UUID]int, error) {
	list, err := facts.Workspaces(ctx, d.pool, idsOf(workspaces)...)
	before := map[uuid.UUID]int{}
	for _, w := range list {
		before[w.ID] = w.Done
	}
	return before, err
}

func idsOf(workspaces []demoWorkspace) []uuid.UUID {
	ids := make([]uuid.UUID, len(workspaces))
	for i, w := range workspaces {
		ids[i] = w.ID
	}
	return ids
}
