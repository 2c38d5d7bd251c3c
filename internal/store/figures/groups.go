package figures

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Failure is a group of items that did not go well in the same way.
type Failure struct {
	Status       string // of the execution, or of the item if Reason is set
	Reason       string // why the items ended without an execution; empty: they had one
	Kind         string // workflow type or name of the definition; empty: of one that has been deleted
	WorkflowType string // empty: it is a definition
	IsDefinition bool
	Message      string // of the newest
	N            int
	Workspaces   int
	FirstAt      time.Time
	LastAt       time.Time
	IDs          []uuid.UUID // newest first
	At           []int16     // when each has ended, in 24ths of the time since
	Key          string      // tells the group apart, also of another time
}

// Kind is a workflow type, or all definitions of a name.
type Kind struct {
	Name           string // empty: definitions that have been deleted
	IsDefinition   bool
	Definition     *uuid.UUID // where each is by itself
	WorkspaceID    *uuid.UUID // of the only workspace
	Workspaces     int
	Running        int
	Ended          int
	Failed         int // FAILED or TIMED_OUT
	Stopped        int // CANCELLED or TERMINATED
	P50, P99       time.Duration
	Wait50, Wait99 time.Duration
	Since          *time.Time // when the first that is counted has ended
}

// Place is an item in the line of its workspace.
type Place struct {
	ID          uuid.UUID
	Scheduled   bool   // it is not available yet
	Kind        string // its workflow type, or the name of its definition
	Priority    int
	Attempts    int // starts that have failed
	CreatedAt   time.Time
	AvailableAt time.Time
	EnqueuedBy  string
	Error       string // of the last start
}

// Slot is an item that holds a slot, or held one until it ended, or ended without.
type Slot struct {
	ID           uuid.UUID
	Status       string
	Kind         string
	Priority     int
	AvailableAt  time.Time
	ClaimedAt    *time.Time
	DispatchedAt *time.Time
	EndedAt      *time.Time
	Error        string // what keeps it, or how it failed
}

// Done is who did what.
type Done struct {
	At          time.Time
	Actor       string
	Action      string
	WorkspaceID *uuid.UUID
	QueueID     *uuid.UUID
	Reason      string
	Details     json.RawMessage
}

// Changed is a change of what a workspace may use.
type Changed struct {
	At      time.Time
	Actor   string
	Action  string
	Details json.RawMessage
}

const (
	// MostOfGroup is how many items of each outcome are grouped.
	MostOfGroup = 1000
	// longest is for how long an item may have been there when it ended: what was older is not looked for.
	longest = 7 * 24 * time.Hour
)

var (
	failuresSQL     = load("failures", "workspace", "first", "since", "most")
	kindsSQL        = load("kinds", "first", "since", "most", "name")
	lineSQL         = load("line", "workspace", "after", "most")
	heldOfSQL       = load("held_of", "workspace", "most")
	endedOfSQL      = load("ended_of", "workspace", "since", "most")
	activitySQL     = load("activity", "before", "since", "workspace", "actor", "most")
	limitHistorySQL = load("limit_history", "workspace", "most")
	namesSQL        = load("names", "definitions")
)

// Failures groups what has not gone well since a moment, of a workspace or with the nil id of all: of each outcome at most the newest
// MostOfGroup, and none that was enqueued a week before. The largest group comes first.
func Failures(ctx context.Context, db store.DB, since time.Time, workspace uuid.UUID) ([]Failure, error) {
	list, err := store.Collect[Failure](ctx, db, failuresSQL, fresh, orAny(workspace), store.FirstID(since.Add(-longest)), since, MostOfGroup)
	return list, store.Wrap(err, "group what has failed")
}

// Kinds lists what runs, and how it has gone since a moment: of each outcome at most the newest MostOfGroup. With a name it lists the
// definitions of that name, each by itself.
func Kinds(ctx context.Context, db store.DB, since time.Time, name string) ([]Kind, error) {
	list, err := store.Collect[Kind](ctx, db, kindsSQL, fresh, store.FirstID(since.Add(-longest)), since, MostOfGroup, name)
	return list, store.Wrap(err, "list types and definitions")
}

// Line lists a workspace's pending items in the order in which they start, from a place on.
func Line(ctx context.Context, db store.DB, workspace uuid.UUID, after, most int) ([]Place, error) {
	list, err := store.Collect[Place](ctx, db, lineSQL, workspace, after, most)
	return list, store.Wrap(err, "read the line of workspace "+workspace.String())
}

// HeldOf lists what holds slots of a workspace, the longest first, at most so many.
func HeldOf(ctx context.Context, db store.DB, workspace uuid.UUID, most int) ([]Slot, error) {
	list, err := store.Collect[Slot](ctx, db, heldOfSQL, workspace, most)
	return list, store.Wrap(err, "read what runs of workspace "+workspace.String())
}

// EndedOf lists the items of a workspace that have ended since a moment, the newest first, at most so many.
func EndedOf(ctx context.Context, db store.DB, workspace uuid.UUID, since time.Time, most int) ([]Slot, error) {
	list, err := store.Collect[Slot](ctx, db, endedOfSQL, fresh, workspace, since, most)
	return list, store.Wrap(err, "read what has ended of workspace "+workspace.String())
}

// Activities lists what was done before a moment and since another, newest first, at most so many: in a workspace, or with the nil id in all;
// by an actor, or with "" by any.
func Activities(ctx context.Context, db store.DB, before, since time.Time, workspace uuid.UUID, actor string, most int) ([]Done, error) {
	list, err := store.Collect[Done](ctx, db, activitySQL, fresh, before, since, orAny(workspace), actor, most)
	return list, store.Wrap(err, "read the activity log")
}

// LimitHistory lists the newest changes of what a workspace may use, newest first, at most so many.
func LimitHistory(ctx context.Context, db store.DB, workspace uuid.UUID, most int) ([]Changed, error) {
	list, err := store.Collect[Changed](ctx, db, limitHistorySQL, workspace, most)
	return list, store.Wrap(err, "read the history of limits")
}

// Names are the names of definitions, without those that have been deleted.
func Names(ctx context.Context, db store.DB, definitions []uuid.UUID) (map[uuid.UUID]string, error) {
	list, err := store.Collect[struct {
		ID   uuid.UUID
		Name string
	}](ctx, db, namesSQL, definitions)
	names := make(map[uuid.UUID]string, len(list))
	for _, d := range list {
		names[d.ID] = d.Name
	}
	return names, store.Wrap(err, "read the names of definitions")
}
