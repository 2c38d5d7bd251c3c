package controls

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Selection is a filter of items, and the moment at which it was made. Zero fields of the filter do not narrow; IDs that are not nil do.
type Selection struct {
	IDs          []uuid.UUID
	WorkspaceID  uuid.UUID
	WorkflowType string
	DefinitionID uuid.UUID
	Reason       string // in one word
	Error        string // what the error has in it, in letters of either case
	Before       time.Time
	At           time.Time
	Past         bool // the moment is that of an earlier selection
}

// selected are the parameters of a selection, in the order of arguments.
var selected = []string{"ids", "workspace", "type", "definition", "reason", "error", "before"}

// fresh has a statement planned for its arguments each time: NULL stands for any.
const fresh = pgx.QueryExecModeCacheDescribe

func (s Selection) arguments(more ...any) []any {
	return append([]any{fresh, s.IDs, orNull(s.WorkspaceID), orNull(s.WorkflowType), orNull(s.DefinitionID), orNull(s.Reason), orNull(s.Error), s.Before}, more...)
}

func loadSelected(name string, more ...string) string {
	return load(name, append(selected[:len(selected):len(selected)], more...)...)
}

var (
	beginSQL        = load("begin", "older")
	countPendingSQL = loadSelected("count_pending")
	countRunningSQL = loadSelected("count_running", "dispatched", "since", "at")
	countFailedSQL  = loadSelected("count_failed", "at")
	countEndedSQL   = loadSelected("count_ended", "statuses", "at")
)

// Begin is the moment at which a selection is made, and that before which its items were enqueued, at least so long ago.
func Begin(ctx context.Context, db store.DB, older time.Duration) (at, before time.Time, err error) {
	err = db.QueryRow(ctx, beginSQL, older).Scan(&at, &before)
	return at, before, store.Wrap(err, "read the clock")
}

// CountPending counts the pending items of a selection.
func CountPending(ctx context.Context, db store.DB, s Selection) (int64, error) {
	return count(ctx, db, countPendingSQL, s.arguments())
}

// CountRunning counts those that hold a slot and were started, or were not: by the moment of the selection, or also since.
func CountRunning(ctx context.Context, db store.DB, s Selection, dispatched, since bool) (int64, error) {
	return count(ctx, db, countRunningSQL, s.arguments(dispatched, since, s.At))
}

// CountFailed counts those that FAILED before they started and can be retried.
func CountFailed(ctx context.Context, db store.DB, s Selection) (int64, error) {
	return count(ctx, db, countFailedSQL, s.arguments(s.At))
}

// CountEnded counts by status the executions that have ended with these statuses by the moment of the selection and that would be replayed, one
// status after the other.
func CountEnded(ctx context.Context, db store.DB, s Selection, statuses []string) (counts map[string]int64, err error) {
	var at *time.Time // all that has ended has
	if s.Past {
		at = &s.At
	}
	rows, err := store.Collect[struct {
		Status string
		N      int64
	}](ctx, db, countEndedSQL, s.arguments(statuses, at)...)
	counts = make(map[string]int64, len(statuses))
	for _, status := range statuses {
		counts[status] = 0
	}
	for _, row := range rows {
		counts[row.Status] = row.N
	}
	return counts, store.Wrap(err, "count items")
}

func count(ctx context.Context, db store.DB, sql string, args []any) (n int64, err error) {
	err = db.QueryRow(ctx, sql, args...).Scan(&n)
	return n, store.Wrap(err, "count items")
}

// Batch is what a batch has done: it has looked at so many items, up to the Last by its id, and changed N of them.
type Batch struct {
	Looked, N int
	Last      uuid.UUID
}

var (
	cancelSQL       = loadSelected("cancel", "after", "most", "actor", "why")
	reprioritizeSQL = loadSelected("reprioritize", "after", "most", "actor", "why", "priority", "to")
	replaySQL       = loadSelected("replay", "after", "most", "actor", "why", "at", "status")
	runningSQL      = loadSelected("running", "after", "most", "dispatched", "at")
	logRequestsSQL  = load("log_requests", "ids", "actor", "action", "why")
	askedSQL        = load("asked", "ids")
)

// Cancel cancels the next pending items of a selection after an id, at most so many.
func Cancel(ctx context.Context, db store.DB, s Selection, after uuid.UUID, most int, actor, why string) (b Batch, err error) {
	err = db.QueryRow(ctx, cancelSQL, s.arguments(after, most, actor, why)...).Scan(&b.N, &b.Last)
	b.Looked = b.N
	return b, store.Wrap(err, "cancel items")
}

// Place is a new priority, or a new time when an item is available. What is nil stays.
type Place struct {
	Priority *int
	At       *time.Time
}

// Reprioritize gives the next pending items of a selection after an id another place, at most so many.
func Reprioritize(ctx context.Context, db store.DB, s Selection, p Place, after uuid.UUID, most int, actor, why string) (b Batch, err error) {
	err = db.QueryRow(ctx, reprioritizeSQL, s.arguments(after, most, actor, why, p.Priority, p.At)...).Scan(&b.Looked, &b.N, &b.Last)
	return b, store.Wrap(err, "reprioritize items")
}

// Replay enqueues the next executions of a selection after an id anew that have ended with a status, at most so many.
func Replay(ctx context.Context, db store.DB, s Selection, status string, after uuid.UUID, most int, actor, why string) (b Batch, err error) {
	err = db.QueryRow(ctx, replaySQL, s.arguments(after, most, actor, why, s.At, status)...).Scan(&b.Looked, &b.N, &b.Last)
	return b, store.Wrap(err, "replay executions")
}

// Running lists the next items of a selection after an id that hold a slot, at most so many. T has ItemID, WorkspaceID, WorkflowID,
// RunID and Own. Dispatched true: those that were started by the moment of the selection; false: those that were claimed by then, and are
// not started; nil: both, and what was claimed or started since.
func Running[T any](ctx context.Context, db store.DB, s Selection, after uuid.UUID, most int, dispatched *bool) ([]T, error) {
	list, err := store.Collect[T](ctx, db, runningSQL, s.arguments(after, most, dispatched, s.At)...)
	return list, store.Wrap(err, "list running items")
}

// LogRequests logs that executions are about to be asked to end.
func LogRequests(ctx context.Context, db store.DB, ids []uuid.UUID, actor, action, why string) error {
	_, err := db.Exec(ctx, logRequestsSQL, ids, actor, action, why)
	return store.Wrap(err, "log requests")
}

// Asked notes that executions were asked to cancel.
func Asked(ctx context.Context, db store.DB, ids []uuid.UUID) error {
	_, err := db.Exec(ctx, askedSQL, ids)
	return store.Wrap(err, "note that executions were asked to cancel")
}
