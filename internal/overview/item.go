package overview

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/store/estimates"
	"sluice/internal/store/facts"
	"sluice/queue"
)

// Item is one item with what has happened to it. Of one that waits, reason says why.
type Item struct {
	queue.State
	// EstimatedStart is when an item that waits is expected to start.
	EstimatedStart *estimates.Start `json:"estimatedStart,omitempty"`
	Place          int              `json:"place,omitempty"` // in the line of its workspace, from 1 on
	More           bool             `json:"more,omitempty"`  // it stands somewhere behind Place
	Pause          *facts.Pause     `json:"pause,omitempty"` // who keeps it, where the reason is paused
	Activity       []facts.Activity `json:"activity"`
	WebURL         string           `json:"webUrl,omitempty"` // of its workflow, where Temporal's Web UI is known
	// MissingTypes are the workflow types that it needs on its workspace's task queue and that no worker has.
	MissingTypes []string `json:"missingTypes,omitempty"`
}

// Item tells the story of an item; queue.ErrUnknownItem says that there is none.
func (o Source) Item(ctx context.Context, id uuid.UUID) (Item, error) {
	state, err := queue.New(o.Pool).Get(ctx, id)
	if err != nil {
		return Item{}, err
	}
	return o.Describe(ctx, state)
}

// Describe tells the story of an item as it was seen just now.
func (o Source) Describe(ctx context.Context, state queue.State) (d Item, err error) {
	activity, err := facts.ItemActivity[facts.Activity](ctx, o.Pool, state.ID)
	if err != nil {
		return d, err
	}
	items := []queue.State{state}
	waits, err := o.ExplainWaits(ctx, facts.MostPlaces, items)
	if err != nil {
		return d, err
	}
	wait := waits[state.ID]
	d = Item{State: items[0], Place: wait.Place, More: wait.More, Pause: wait.Pause, Activity: append([]facts.Activity{}, activity...)}
	starts, err := o.Starts(ctx, items)
	if err != nil {
		return d, err
	}
	d.EstimatedStart = starts[state.ID]
	if state.ExecutionID != nil {
		run := ""
		if state.EngineRunID != nil {
			run = *state.EngineRunID
		}
		d.WebURL = o.Link(state.WorkflowID, run)
	}
	d.MissingTypes, err = facts.MissingTypesOf(ctx, o.Pool, state.ID)
	return d, err
}
