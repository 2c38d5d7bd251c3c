package overview

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/store/estimates"
	"sluice/queue"
)

// Starts tells of those of the items that are pending when they are expected to start, or why that cannot be said. Their reasons have been
// explained: that the dispatcher itself is paused only these tell.
func (o Source) Starts(ctx context.Context, items []queue.State) (map[uuid.UUID]*estimates.Start, error) {
	var ids []uuid.UUID
	paused := map[uuid.UUID]bool{}
	for i := range items {
		if item := &items[i]; item.Status == "PENDING" {
			ids = append(ids, item.ID)
			paused[item.ID] = item.Reason != nil && *item.Reason == string(admission.Paused)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	if o.Estimate != nil {
		o.Estimate(ctx)
	}
	read, err := estimates.Starts(ctx, o.Pool, ids)
	starts := make(map[uuid.UUID]*estimates.Start, len(read))
	for id, start := range read {
		if paused[id] {
			start = estimates.Start{Why: string(admission.Paused), EstimatedAt: start.EstimatedAt}
		}
		starts[id] = &start
	}
	return starts, err
}
