package overview

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

// glanceTimeout is how long an answer waits for what it can do without.
const glanceTimeout = time.Second

// ExplainWaits gives the pending ones among the items the reason why they wait, and returns where they stand, counted up
// to places. What only the dispatcher knows is told if it answers at once.
func (o Source) ExplainWaits(ctx context.Context, places int, items []queue.State) (map[uuid.UUID]facts.Wait, error) {
	ids := make([]uuid.UUID, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	waits, err := facts.Waits(ctx, o.Pool, places, ids...)
	if err != nil {
		return nil, err
	}
	var dispatcher workflows.Status
	for _, w := range waits {
		if dispatches(w) {
			dispatcher = o.glance(ctx)
			break
		}
	}
	for i, item := range items {
		w, waiting := waits[item.ID]
		if !waiting {
			continue
		}
		switch {
		case dispatcher.Pause != nil && dispatches(w):
			w.Reason = admission.Paused
		case dispatcher.Waiting[string(admission.BatchFull)] > 0 && w.Reason == "":
			w.Reason = admission.BatchFull
		}
		if reason := string(w.Reason); reason != "" {
			items[i].Reason = &reason
		}
	}
	return waits, nil
}

// dispatches tells whether the dispatcher starts something of the item's workspace, unless it is paused.
func dispatches(w facts.Wait) bool { return w.Reason == "" || w.Reason == admission.BehindPriority }

// glance is how the dispatcher is, if it says so at once.
func (o Source) glance(ctx context.Context) workflows.Status {
	ctx, cancel := context.WithTimeout(ctx, glanceTimeout)
	defer cancel()
	c, err := o.AtOnce(ctx)
	if err != nil {
		return workflows.Status{}
	}
	status, err := operate.Status(ctx, c)
	if err != nil {
		return workflows.Status{}
	}
	return status
}

// Waiting lists the workspaces that have something waiting, and why; of all of them when no ids are given.
func (o Source) Waiting(ctx context.Context, ids ...uuid.UUID) ([]facts.WorkspaceUsage, error) {
	list, err := Workspaces(ctx, o.Pool, time.Minute, ids...)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(w facts.WorkspaceUsage) bool { return w.Pending == 0 })
	if slices.ContainsFunc(list, func(w facts.WorkspaceUsage) bool { return w.Reason == nil }) {
		status := o.glance(ctx)
		explainPause(list, []ShardStatus{{Dispatcher: &status}})
	}
	return list, nil
}
