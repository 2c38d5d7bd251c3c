package store

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// LargeInput is the most bytes of an input, as Postgres prints it, that live in the row of its item. A larger one is written to sluice.inputs, once,
// instead of being copied each time the item moves. sluice.enqueue has the same number.
const LargeInput = 2000

// Arrival is an item on its way into the queue, with its defaults filled in.
type Arrival struct {
	Ownership
	Workflow    *Workflow // nil: it is a definition
	OnConflict  string    // of a workflow, see sluice.enqueue_workflow; empty: as it has it
	ID          uuid.UUID // of plain items; the others get theirs from the database
	Priority    int
	Input       json.RawMessage // a JSON object
	Large       bool            // the input is larger than LargeInput
	EnqueuedBy  string          // empty: as the connection calls itself
	TriggerType string

	AvailableAt, ExpiresAt time.Time      // zero: now, never
	UniqueKey              string         // empty: none
	UniqueFor              *time.Duration // nil: as long as the item is retained
}

// Workflow is what an item is that is no definition.
type Workflow struct {
	Type      string
	TaskQueue string // of an arrival it may be empty: then it is the one that the deployment has for the workspace
	ID        string // empty: execution-<id of the item>
	Request   []byte // a StartWorkflowExecutionRequest; of a claim nil where it is large, see Request, or is made of the item's input

	// Args and Options are those of an arrival without a request, as sluice.enqueue_workflow takes them. Nil: none.
	Args, Options json.RawMessage
}

// Ownership says that a definition belongs to a workspace.
type Ownership struct{ WorkspaceID, DefinitionID uuid.UUID }

// Plain tells whether only the definition is left for the database to check.
func (a *Arrival) Plain() bool {
	return a.Workflow == nil && a.UniqueKey == "" && a.AvailableAt.IsZero() && a.ExpiresAt.IsZero()
}

// Enqueued is the answer for an item.
type Enqueued struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"`
	Message string    `json:"message"`

	WorkflowID string `json:"workflowId"` // of an item that is a workflow
}

var (
	enqueueSQL     = load("enqueue", "id", "workspace", "definition", "priority", "input", "actor", "trigger", "large", "check", "own")
	enqueueItemSQL = load("enqueue_item", "workspace", "definition", "input", "priority", "available_at", "key", "expires_at", "actor",
		"trigger", "unique_for")
	enqueueWorkflowSQL = load("enqueue_workflow", "workspace", "type", "task_queue", "workflow_id", "args", "request", "options", "priority",
		"available_at", "key", "expires_at", "actor", "trigger", "unique_for")
)

// Enqueue enqueues a plain item. Own says that the statement is a transaction of its own: then it wakes the dispatcher itself.
// Without check the definition is taken to be the workspace's.
//
// On the server it takes about a fifth more processor time than a bare INSERT into a like table: 87 µs beside 69 on a
// 2-core machine, without the commit. The event is most of the difference; the three flags cost 3 µs together.
func Enqueue(ctx context.Context, db DB, a *Arrival, own, check bool) error {
	_, err := db.Exec(ctx, enqueueSQL, pgID(a.ID), pgID(a.WorkspaceID), pgID(a.DefinitionID), a.Priority, a.Input, a.EnqueuedBy,
		a.TriggerType, a.Large, check, own)
	return err
}

var mayInsertSQL = load("may_insert", "id")

// MayInsert tells whether the role of a connection may write items itself, with ids such as this one, which has just been made. Others
// enqueue each item by sluice.enqueue.
func MayInsert(ctx context.Context, db DB, id uuid.UUID) (may bool, err error) {
	err = db.QueryRow(ctx, mayInsertSQL, id).Scan(&may)
	return may, Wrap(err, "look for rights on the queue")
}

// EnqueueItem enqueues an item of any kind, also for a role that may only call sluice.enqueue.
func EnqueueItem(ctx context.Context, db DB, a *Arrival) (answer Enqueued, err error) {
	sql, arguments := a.call()
	err = db.QueryRow(ctx, sql, arguments...).Scan(&answer)
	return answer, err
}

var workspaceSQL = load("workspace", "key")

// Workspace returns the id of the workspace that a platform knows by a key, or whose id that is. It is created where that is allowed.
func Workspace(ctx context.Context, db DB, key string) (id uuid.UUID, err error) {
	err = db.QueryRow(ctx, workspaceSQL, key).Scan(&id)
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && requestErrors[pg.Code] == ErrUnknownWorkspace {
		pg.Hint = NoSuchKey(key)
	}
	return id, Wrap(err, "look for a workspace")
}

var releaseKeySQL = load("release_key", "workspace", "key", "actor")

// ReleaseKey lets a unique key go whose item has ended, and answers with that item.
func ReleaseKey(ctx context.Context, db DB, workspace uuid.UUID, key, actor string) (answer Enqueued, err error) {
	err = db.QueryRow(ctx, releaseKeySQL, pgID(workspace), key, actor).Scan(&answer)
	return answer, err
}

// call is the statement that calls the function of the database for an item, and its arguments.
func (a *Arrival) call() (sql string, arguments []any) {
	rest := []any{a.Priority, timeOrNull(a.AvailableAt), textOrNull(a.UniqueKey), timeOrNull(a.ExpiresAt), a.EnqueuedBy, a.TriggerType, a.UniqueFor}
	if w := a.Workflow; w != nil {
		var options any = w.Options
		if a.OnConflict != "" {
			options = map[string]string{"onConflict": a.OnConflict}
		}
		return enqueueWorkflowSQL, append([]any{pgID(a.WorkspaceID), w.Type, textOrNull(w.TaskQueue), textOrNull(w.ID), w.Args, w.Request, options}, rest...)
	}
	return enqueueItemSQL, append([]any{pgID(a.WorkspaceID), pgID(a.DefinitionID), a.Input}, rest...)
}

func textOrNull(s string) pgtype.Text { return pgtype.Text{String: s, Valid: s != ""} }

func timeOrNull(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}
