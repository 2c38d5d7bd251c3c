package queue

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store/facts"
)

// State is what has become of an item: its row in the view sluice.queue_items, and the outcome of its execution.
type State struct {
	ID                   uuid.UUID       `json:"id"`
	WorkspaceID          uuid.UUID       `json:"workspaceId"`
	WorkflowDefinitionID *uuid.UUID      `json:"workflowDefinitionId,omitempty"` // of an item that is a definition
	WorkflowType         *string         `json:"workflowType,omitempty"`         // of one that is a workflow
	TaskQueue            *string         `json:"taskQueue,omitempty"`
	WorkflowID           string          `json:"workflowId"`                // in Temporal
	Status               string          `json:"status"`                    // PENDING, CLAIMED, DISPATCHED, FAILED, CANCELLED or EXPIRED
	ExecutionStatus      *string         `json:"executionStatus,omitempty"` // RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED or TIMED_OUT
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
	UnservedSince        *time.Time      `json:"unservedSince,omitempty"`  // since when no worker carries it on
	Unserved             *string         `json:"unserved,omitempty"`       // whose workflow task nobody takes or completes, its own or a child's, and the error
	Reason               *string         `json:"reason,omitempty"`         // why the item ended without an execution, in one word
	Error                *string         `json:"error,omitempty"`          // why it ended without an execution, or its last start failed
	ExecutionError       json.RawMessage `json:"executionError,omitempty"` // why the execution failed
	ReplayOf             *uuid.UUID      `json:"replayOf,omitempty"`       // the item whose request this one has, and whose execution did not complete
	ReplayedAs           *uuid.UUID      `json:"replayedAs,omitempty"`     // the item that has been enqueued to do this one again
	Input                json.RawMessage `json:"input,omitempty"`
	Output               json.RawMessage `json:"output,omitempty"`
}

// Done tells whether the item has ended, however it did.
func (s State) Done() bool {
	switch s.Status {
	case "FAILED", "CANCELLED", "EXPIRED":
		return true
	}
	return s.ExecutionStatus != nil && *s.ExecutionStatus != "RUNNING"
}

// Get returns one item, or ErrUnknownItem. Many may ask at once: they look together, and take two connections of the pool.
func (c *Client) Get(ctx context.Context, id uuid.UUID) (State, error) {
	if c.looks == nil {
		return c.lookAlone(ctx, whole, id)
	}
	return c.looks.Do(ctx, id)
}

// Filter narrows a listing. Zero fields do not narrow.
type Filter struct {
	WorkspaceID  uuid.UUID
	DefinitionID uuid.UUID // ErrUnknownDefinition says that there is none; of one that has been deleted, name the workspace too
	WorkflowType string    // of items that are workflows
	WorkflowID   string    // in Temporal: one that callers have chosen, also that of several items, or execution-<id of the item>
	Status       string    // of the item or of its execution
	Reason       string    // why the item ended without an execution, such as start-failed
	Error        string    // what its error has in it, in letters of either case: it looks through the newest 2,000 items of each status
	Before       uuid.UUID // items that are older than this one: the ID of the last one of the page before
	Limit        int       // defaults to 50
	// WithoutPayloads leaves inputs and results out: those of a page may be hundreds of megabytes.
	WithoutPayloads bool
}

// List returns items, newest first: a page of them. To go on, ask for those Before the last one.
func (c *Client) List(ctx context.Context, f Filter) ([]State, error) {
	return facts.Items[State](ctx, c.pool, facts.Filter(f))
}
