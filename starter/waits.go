package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/admission"
	"sluice/internal/connect"
	"sluice/internal/operate"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

// glanceTimeout is how long a command waits for what it can do without.
const glanceTimeout = time.Second

// explainWaits gives the pending ones among the items the reason why they wait, and returns where they stand, counted up
// to places. What only the dispatcher knows is told if it answers at once.
func (a *app) explainWaits(ctx context.Context, pool *pgxpool.Pool, places int, items []queue.State) (map[uuid.UUID]facts.Wait, error) {
	ids := make([]uuid.UUID, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	waits, err := facts.Waits(ctx, pool, places, ids...)
	if err != nil {
		return nil, err
	}
	var dispatcher workflows.Status
	for _, w := range waits {
		if dispatches(w) {
			dispatcher = a.glance(ctx)
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
func (a *app) glance(ctx context.Context) workflows.Status {
	ctx, cancel := context.WithTimeout(ctx, glanceTimeout)
	defer cancel()
	c, err := a.dial(ctx, connect.Wait{})
	if err != nil {
		return workflows.Status{}
	}
	status, err := operate.Status(ctx, c)
	if err != nil {
		return workflows.Status{}
	}
	return status
}

// waitText says why a pending item waits, and where.
func waitText(d described) string {
	text := ""
	if d.Status == "PENDING" {
		text = deref(d.Reason)
	}
	switch {
	case d.Place == 0:
		return text
	case text != "":
		text += ", "
	}
	if d.More {
		return text + fmt.Sprintf(">%d in the line of its workspace", d.Place)
	}
	return text + ordinal(d.Place) + " of its workspace"
}

// ordinal is 1st, 2nd, 3rd, 4th and so on.
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprint(n, suffix)
}
