package admin

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/controls"
)

// Action is what is done to many items at once.
type Action string

// The actions, and the statuses of the items that each is for.
const (
	Cancel       Action = "cancel"       // PENDING, CLAIMED and RUNNING: what waits at once, what runs is asked
	Terminate    Action = "terminate"    // RUNNING
	Retry        Action = "retry"        // FAILED before they started: put back, the same items
	Replay       Action = "replay"       // executions FAILED, TIMED_OUT and TERMINATED: enqueued anew, as new items
	Reprioritize Action = "reprioritize" // PENDING: another priority or time
)

var actionStatuses = map[Action][]string{
	Cancel: {"PENDING", "CLAIMED", "RUNNING"}, Terminate: {"RUNNING"}, Retry: {"FAILED"},
	Replay: {"FAILED", "TIMED_OUT", "TERMINATED"}, Reprioritize: {"PENDING"},
}

// Statuses are those of the items that an action is for.
func (a Action) Statuses() []string { return slices.Clone(actionStatuses[a]) }

// Filter says which items are meant. Zero fields do not narrow.
type Filter struct {
	IDs          []uuid.UUID // these and no others; empty and not nil: none
	WorkspaceID  uuid.UUID
	WorkflowType string
	DefinitionID uuid.UUID
	Status       string        // one of those that the action is for; empty: any of them
	Reason       string        // why they failed to start, or their last start did, in one word such as start-failed
	Error        string        // a text that their error has in it, in letters of either case
	OlderThan    time.Duration // they were enqueued at least so long ago
	Limit        int           // so many of them at most, oldest first; 0: no limit. It is for what is retried, replayed or reprioritized
	AsOf         time.Time     // as they were at the Moment of an earlier selection, to go on with that; zero, or to come yet: now
}

// Selection is the items that a filter means at one moment: what is enqueued later, or starts or ends later, is not of it. (What waited at
// the moment and is to be cancelled is also cancelled if it has started since.)
type Selection struct {
	Action Action           `json:"action"`
	Total  int64            `json:"total"`
	Counts map[string]int64 `json:"counts"` // by status, of those that the action is for
	Moment time.Time        `json:"moment"` // by the clock of the database

	items    controls.Selection
	statuses []string
	limit    int64 // 0: none
}

// Select counts the items that an action would be done to, and changes nothing.
func (c *Client) Select(ctx context.Context, action Action, f Filter) (s Selection, err error) {
	doing := "select items to " + string(action)
	if err := f.check(action); err != nil {
		return s, fmt.Errorf("%s: %w", doing, err)
	}
	s = Selection{Action: action, limit: int64(f.Limit), statuses: action.Statuses(), items: controls.Selection{
		IDs: f.ids(), WorkspaceID: f.WorkspaceID, WorkflowType: f.WorkflowType, DefinitionID: f.DefinitionID, Reason: f.Reason, Error: f.Error,
	}}
	if f.Status != "" {
		s.statuses = []string{f.Status}
	}
	if s.items.At, s.items.Before, err = controls.Begin(ctx, c.pool, f.OlderThan); err != nil {
		return s, fmt.Errorf("%s: %w", doing, err)
	}
	if !f.AsOf.IsZero() && f.AsOf.Before(s.items.At) {
		s.items.At, s.items.Before, s.items.Past = f.AsOf, f.AsOf.Add(-f.OlderThan), true
	}
	s.Moment = s.items.At
	if s.Counts, err = c.counts(ctx, s); err != nil {
		return s, fmt.Errorf("%s: %w", doing, err)
	}
	for _, n := range s.Counts {
		s.Total += n
	}
	if s.limit > 0 {
		s.Total = min(s.Total, s.limit)
	}
	return s, nil
}

func (c *Client) counts(ctx context.Context, s Selection) (counts map[string]int64, err error) {
	if s.Action == Replay {
		return controls.CountEnded(ctx, c.pool, s.items, s.statuses)
	}
	counts = map[string]int64{}
	for _, status := range s.statuses {
		switch {
		case status == "PENDING":
			counts[status], err = controls.CountPending(ctx, c.pool, s.items)
		case s.Action == Retry:
			counts[status], err = controls.CountFailed(ctx, c.pool, s.items)
		default:
			counts[status], err = controls.CountRunning(ctx, c.pool, s.items, status == "RUNNING", s.has("PENDING"))
		}
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (s Selection) has(status string) bool { return slices.Contains(s.statuses, status) }

// ids are each named once.
func (f Filter) ids() []uuid.UUID {
	ids := slices.Clone(f.IDs)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

func (f Filter) check(action Action) error {
	statuses := actionStatuses[action]
	switch {
	case statuses == nil:
		return store.Invalid("unknown action %q", action)
	case f.Status != "" && !slices.Contains(statuses, f.Status):
		return store.Invalid("status %s is not one of those to %s: these are %s", f.Status, action, strings.Join(statuses, ", "))
	case f.WorkflowType != "" && f.DefinitionID != uuid.Nil:
		return store.Invalid("give a workflow type or a definition, not both")
	case f.Limit < 0:
		return store.Invalid("limit must not be negative, got %d", f.Limit)
	case f.Limit > 0 && (action == Cancel || action == Terminate):
		return store.Invalid("to %s has no limit: narrow the filter", action)
	case f.OlderThan < 0 || f.OlderThan > maxRetention:
		return store.Invalid("older than must be 0 to %d days, got %s", maxRetention/day, f.OlderThan)
	case f.Reason != "" && action == Replay:
		return store.Invalid("a reason is why items failed to start, and executions have none: filter them by their error")
	}
	for _, text := range []struct{ name, text string }{{"reason", f.Reason}, {"error", f.Error}, {"workflow type", f.WorkflowType}} {
		if err := named(text.name, bounds.Text(text.text, bounds.MaxReason)); err != nil {
			return err
		}
	}
	return nil
}
