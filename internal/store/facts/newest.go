package facts

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Filter narrows a listing. Zero fields do not narrow.
type Filter struct {
	WorkspaceID  uuid.UUID
	DefinitionID uuid.UUID
	WorkflowType string    // of items that are workflows
	WorkflowID   string    // in Temporal; see mostLooked
	Status       string    // of the item or of its execution
	Reason       string    // why the item ended without an execution
	Error        string    // what its error has in it, in letters of either case; see mostLooked
	Before       uuid.UUID // items that are older than this one: the last of the page before
	Limit        int       // defaults to DefaultLimit
	// WithoutPayloads leaves inputs and results out: those of a page may be hundreds of megabytes.
	WithoutPayloads bool
}

const (
	// DefaultLimit is how many items a listing has.
	DefaultLimit = 50
	// mostLooked is how many items of each status are looked through for an error, and how many of a workflow id for what else is asked:
	// reading them takes some tens of milliseconds.
	mostLooked = 2_000
)

var (
	newestPendingSQL      = load("newest_pending", "workspace", "definition", "type", "before", "most")
	newestRunningSQL      = load("newest_running", "workspace", "definition", "type", "before", "most", "dispatched")
	newestEndedSQL        = load("newest_ended", "before", "most", "since")
	newestCompletedSQL    = load("newest_completed", "workspace", "definition", "type", "before", "most", "since")
	newestUnsuccessfulSQL = load("newest_unsuccessful", "workspace", "definition", "type", "before", "most", "since", "status")
	newestRefusedSQL      = load("newest_refused", "workspace", "definition", "type", "before", "most", "since", "status", "reason")
	newestWithErrorSQL    = load("newest_with_error", "workspace", "definition", "type", "before", "most", "since", "status", "reason", "error", "look")
	newestOfWorkflowSQL   = load("newest_of_workflow", "workspace", "definition", "type", "before", "most", "since", "status", "reason", "error", "look", "workflow", "item")
	ownerOfSQL            = load("owner_of", "definition")
)

// statement is one with its arguments.
type statement struct {
	sql  string
	args []any
}

// recent is how far back a listing looks first: to plan a statement costs by the partition, and few of them have the newest items.
const recent = 48 * time.Hour

// newest are the ids of the newest items that a filter leaves. It looks at what has ended lately, and where that makes no page at all
// there is.
func newest(ctx context.Context, db store.DB, f Filter) ([]uuid.UUID, error) {
	if f.DefinitionID != uuid.Nil && f.WorkspaceID == uuid.Nil {
		owners, err := store.Values[uuid.UUID](ctx, db, ownerOfSQL, f.DefinitionID)
		if err != nil {
			return nil, err
		}
		if len(owners) == 0 {
			return nil, &store.RequestError{Kind: store.ErrUnknownDefinition, Message: "unknown workflow definition " + f.DefinitionID.String(),
				Hint: "for the items of one that has been deleted, name its workspace too"}
		}
		f.WorkspaceID = owners[0]
	}
	since := time.Now().Add(-recent)
	if made := madeAt(f.Before); !made.IsZero() {
		since = made.Add(-recent)
	}
	ids, err := endedSince(ctx, db, f, since)
	if err != nil || len(ids) == f.Limit && !madeAt(ids[f.Limit-1]).Before(since) { // what ended earlier was made earlier, too
		return ids, err
	}
	return endedSince(ctx, db, f, time.Time{})
}

// endedSince is newest without what has ended before a moment. Each class of items is asked for as many, in the order in which an item
// goes through them, so that one that moves meanwhile is not missed.
func endedSince(ctx context.Context, db store.DB, f Filter, since time.Time) (ids []uuid.UUID, err error) {
	for _, s := range f.statements(since) {
		found, err := store.Values[uuid.UUID](ctx, db, s.sql, append([]any{fresh}, s.args...)...)
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(b[:], a[:]) })
	ids = slices.Compact(ids)
	return ids[:min(len(ids), f.Limit)], nil
}

// statements are those whose rows together have the newest items, of what has ended those since a moment.
func (f Filter) statements(since time.Time) (list []statement) {
	args := func(more ...any) []any {
		return append([]any{orAny(f.WorkspaceID), orAny(f.DefinitionID), orAnyText(f.WorkflowType), f.before(), f.Limit}, more...)
	}
	if f.WorkflowID != "" {
		return []statement{{newestOfWorkflowSQL, args(since, f.Status, f.Reason, f.Error, mostLooked, f.WorkflowID, f.named())}}
	}
	if f.Error != "" {
		return []statement{{newestWithErrorSQL, args(since, f.Status, f.Reason, f.Error, mostLooked)}}
	}
	is := func(words ...string) bool { return f.Status == "" || slices.Contains(words, f.Status) }
	if f.Reason == "" {
		if is("PENDING") {
			list = append(list, statement{newestPendingSQL, args()})
		}
		if is("CLAIMED", "DISPATCHED", "RUNNING") {
			var dispatched *bool
			if f.Status != "" {
				dispatched = new(f.Status != "CLAIMED")
			}
			list = append(list, statement{newestRunningSQL, args(dispatched)})
		}
		if f.Status == "" && f.WorkspaceID == uuid.Nil && f.WorkflowType == "" {
			return append(list, statement{newestEndedSQL, []any{f.before(), f.Limit, since}})
		}
		if is("COMPLETED", "DISPATCHED") {
			list = append(list, statement{newestCompletedSQL, args(since)})
		}
		for _, status := range []string{"FAILED", "CANCELLED", "TERMINATED", "TIMED_OUT"} {
			if is(status, "DISPATCHED") {
				list = append(list, statement{newestUnsuccessfulSQL, args(since, status)})
			}
		}
	}
	for _, status := range []string{"FAILED", "CANCELLED", "EXPIRED"} {
		if is(status) {
			list = append(list, statement{newestRefusedSQL, args(since, status, f.Reason)})
		}
	}
	return list
}

func (f Filter) before() uuid.UUID { return cmp.Or(f.Before, uuid.Max) }

// named is the item whose workflow has the id that is asked for because nobody has chosen another; nil: it is not such an id.
func (f Filter) named() *uuid.UUID {
	text, found := strings.CutPrefix(f.WorkflowID, "execution-")
	id, err := uuid.Parse(text)
	if !found || err != nil || id.String() != text {
		return nil
	}
	return &id
}

// orAny is the parameter of a statement for which NULL stands for any.
func orAny(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func orAnyText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
