package queue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ItemView is a row of sluice.queue_items, with the outcome of its execution beside it.
type ItemView struct {
	ID                   uuid.UUID       `json:"id"`
	WorkspaceID          uuid.UUID       `json:"workspaceId"`
	WorkflowDefinitionID uuid.UUID       `json:"workflowDefinitionId"`
	Status               string          `json:"status"`
	ExecutionStatus      *string         `json:"executionStatus,omitempty"`
	Priority             int             `json:"priority"`
	UniqueKey            *string         `json:"uniqueKey,omitempty"`
	AttemptCount         int             `json:"attemptCount"`
	CreatedAt            time.Time       `json:"createdAt"`
	AvailableAt          time.Time       `json:"availableAt"`
	ExpiresAt            *time.Time      `json:"expiresAt,omitempty"`
	ClaimedAt            *time.Time      `json:"claimedAt,omitempty"`
	DispatchedAt         *time.Time      `json:"dispatchedAt,omitempty"`
	CompletedAt          *time.Time      `json:"completedAt,omitempty"`
	ExecutionID          *uuid.UUID      `json:"executionId,omitempty"`
	EngineRunID          *string         `json:"engineRunId,omitempty"`
	UnservedSince        *time.Time      `json:"unservedSince,omitempty"`  // since when no worker takes its workflow task
	Reason               *string         `json:"reason,omitempty"`         // why the item was refused, in one word; see Waits for one that is pending
	Error                *string         `json:"error,omitempty"`          // why the item was refused or its last start failed
	ExecutionError       json.RawMessage `json:"executionError,omitempty"` // why the execution failed
	Input                json.RawMessage `json:"input,omitempty"`
	Output               json.RawMessage `json:"output,omitempty"`
}

const itemViewSQL = `
	SELECT i.id, i.workspace_id, i.workflow_definition_id, i.status, x.status AS execution_status, i.priority::int, i.unique_key,
	       i.attempt_count, i.created_at, i.available_at, i.expires_at, i.claimed_at, i.dispatched_at, x.completed_at,
	       i.execution_id, x.engine_run_id, x.unserved_since, r.reason, i.error, x.error AS execution_error, i.input, x.output
	FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id
	LEFT JOIN sluice.refused_items r ON r.id = i.id`

// Item returns one item, or ErrUnknownItem.
func (q *Queue) Item(ctx context.Context, id uuid.UUID) (ItemView, error) {
	items, err := collect[ItemView](ctx, q.pool, itemViewSQL+` WHERE i.id = $1`, id)
	if err != nil {
		return ItemView{}, wrap(err, "read item "+id.String())
	}
	if len(items) == 0 {
		return ItemView{}, &RequestError{Kind: ErrUnknownItem, Message: "no queue item or execution " + id.String()}
	}
	return items[0], nil
}

// Filter narrows a listing. Zero fields do not narrow.
type Filter struct {
	WorkspaceID uuid.UUID
	Status      string // of the item or of its execution
	Limit       int    // defaults to 50
}

// Items lists items, newest first.
func (q *Queue) Items(ctx context.Context, f Filter) ([]ItemView, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	items, err := collect[ItemView](ctx, q.pool, itemViewSQL+`
		WHERE ($1::uuid = '00000000-0000-0000-0000-000000000000' OR i.workspace_id = $1)
		  AND ($2 = '' OR i.status = $2 OR x.status = $2)
		ORDER BY i.id DESC LIMIT $3`, f.WorkspaceID, f.Status, f.Limit)
	return items, wrap(err, "list items")
}

// Activity is a row of sluice.activity: who did what when.
type Activity struct {
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	WorkspaceID *uuid.UUID      `json:"workspaceId,omitempty"`
	QueueID     *uuid.UUID      `json:"queueId,omitempty"`
	Reason      *string         `json:"reason,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"`
}

// ItemActivity is the story of one item, oldest first.
func (q *Queue) ItemActivity(ctx context.Context, id uuid.UUID) ([]Activity, error) {
	story, err := collect[Activity](ctx, q.pool, `
		SELECT at, actor, action, workspace_id, queue_id, reason, details
		FROM sluice.activity WHERE queue_id = $1
		ORDER BY at, array_position(ARRAY['enqueued', 'claimed', 'dispatched'], action)`, id) // one statement may write several
	return story, wrap(err, "read activity of "+id.String())
}

// Log records what leaves no other fact: an operator's action, a recovery, a pause.
func (q *Queue) Log(ctx context.Context, a Activity) error {
	return log(ctx, q.pool, a)
}

func log(ctx context.Context, db executor, a Activity) error {
	_, err := db.Exec(ctx, `
		INSERT INTO sluice.activity_log (actor, action, workspace_id, queue_id, reason, details)
		VALUES ($1, $2, $3, $4, $5, coalesce($6::jsonb, '{}'))`,
		a.Actor, a.Action, a.WorkspaceID, a.QueueID, a.Reason, nullJSON(a.Details))
	return wrap(err, "log activity")
}

// actAs says who changes a limit or a plan: the triggers that log such changes read it until the transaction ends.
func actAs(ctx context.Context, tx pgx.Tx, actor string) error {
	_, err := tx.Exec(ctx, `SELECT set_config('sluice.actor', $1, true)`, actor)
	return err
}
