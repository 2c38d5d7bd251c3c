package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/audit"
	"sluice/internal/store/catalog"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// countAtMost ends the count of ready items, which is for people: 100,000 take some 20 ms.
const countAtMost = 100_000

// overdue are items that could have started for a grace, as seen at one moment.
type overdue struct {
	at    time.Time // by the database's clock
	items []facts.OverdueItem
}

// lookForOverdue finds ready items beside a free slot. There are none while nothing is there to start them.
func (a *auditor) lookForOverdue(ctx context.Context) (overdue, error) {
	var seen overdue
	dispatching, err := a.dispatching(ctx)
	if err != nil || !dispatching {
		return seen, err
	}
	if a.report.Of(audit.Progress).Checked, err = facts.Ready(ctx, a.db, countAtMost); err != nil {
		return seen, err
	}
	if seen.items, err = facts.Overdue(ctx, a.db, a.options.Grace); err != nil {
		return seen, err
	}
	seen.at, err = facts.Now(ctx, a.db)
	return seen, err
}

// lookForOverdueAgain counts those that still wait, if their workspace had a free slot all the time in between, and so had
// those with which it shares a limit.
func (a *auditor) lookForOverdueAgain(ctx context.Context, first overdue) error {
	if len(first.items) == 0 {
		return nil
	}
	second, err := a.lookForOverdue(ctx)
	if err != nil {
		return err
	}
	held, err := HeldSlots(ctx, a.db, first.at)
	if err != nil {
		return err
	}
	record, err := ReadRecord(ctx, a.db, first.at)
	if err != nil {
		return err
	}
	limits, shared := audit.NewLimits(record.Changes), audit.NewShared(record.Changes, record.Global)
	of := map[uuid.UUID][]audit.Held{}
	for _, h := range held {
		of[h.Workspace] = append(of[h.Workspace], h)
	}
	for _, item := range second.items {
		waited := slices.ContainsFunc(first.items, func(o facts.OverdueItem) bool { return o.ID == item.ID && o.AvailableAt.Equal(item.AvailableAt) })
		limit, _, known := limits.Between(item.WorkspaceID, first.at, second.at)
		free := !known || audit.Peak(of[item.WorkspaceID], first.at, second.at) < limit
		if waited && free && !shared.Full(held, item.WorkspaceID, first.at, second.at) {
			a.report.Of(audit.Progress).Add(audit.Breach{ID: item.ID, What: fmt.Sprintf("it is ready since %s, and workspace %s has a free slot",
				item.AvailableAt.UTC().Format(time.RFC3339), item.WorkspaceID)})
		}
	}
	return nil
}

// dispatching tells whether each shard has a dispatcher that ought to start what is ready, and notes why not.
func (a *auditor) dispatching(ctx context.Context) (bool, error) {
	f := a.report.Of(audit.Progress)
	shards, err := catalog.Shards(ctx, a.db)
	if err != nil {
		return false, err
	}
	for shard := range shards {
		of := ""
		if shards > 1 {
			of = fmt.Sprintf("shard %d: ", shard)
		}
		status, err := StatusOf(ctx, a.client, shard)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, ErrNotRunning), errors.Is(err, ErrNoWorker):
			f.Notes = append(f.Notes, of+err.Error())
			return false, nil
		case err != nil:
			a.unchecked(err, audit.Progress)
			return false, nil
		case status.Pause != nil || status.Phase == workflows.PhasePaused || status.Phase == workflows.PhaseStopping:
			f.Notes = append(f.Notes, of+"the dispatcher is paused or stopping")
			return false, nil
		}
	}
	return true, nil
}
