package facts

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// View is an item with the outcome of its execution beside it. Item and Items read this shape into any struct.
type View struct {
	ID                   uuid.UUID       `json:"id"`
	WorkspaceID          uuid.UUID       `json:"workspaceId"`
	WorkflowDefinitionID *uuid.UUID      `json:"workflowDefinitionId,omitempty"` // of an item that is a definition
	WorkflowType         *string         `json:"workflowType,omitempty"`         // of one that is a workflow
	TaskQueue            *string         `json:"taskQueue,omitempty"`
	WorkflowID           string          `json:"workflowId"` // in Temporal
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
	UnservedSince        *time.Time      `json:"unservedSince,omitempty"`  // since when no worker carries it on
	Unserved             *string         `json:"unserved,omitempty"`       // whose workflow task nobody takes or completes, its own or a child's, and the error
	Reason               *string         `json:"reason,omitempty"`         // why the item ended without an execution, in one word; see Waits for one that is pending
	Error                *string         `json:"error,omitempty"`          // why it did so, or why its last start failed
	ExecutionError       json.RawMessage `json:"executionError,omitempty"` // why the execution failed
	ReplayOf             *uuid.UUID      `json:"replayOf,omitempty"`       // the item whose request this one has, and whose execution did not complete
	ReplayedAs           *uuid.UUID      `json:"replayedAs,omitempty"`     // the item that has been enqueued to do this one again
	Input                json.RawMessage `json:"input,omitempty"`
	Output               json.RawMessage `json:"output,omitempty"`
}

var (
	itemsSQL    = load("items", "ids", "oldest", "status", "payloads")
	activitySQL = load("item_activity", "item")
)

// Item returns one item, or store.ErrUnknownItem. T has the fields of View.
func Item[T any](ctx context.Context, db store.DB, id uuid.UUID) (T, error) {
	items, err := ItemsOf[T](ctx, db, id)
	return only(id, items, err)
}

// BareItem is Item without its input and result.
func BareItem[T any](ctx context.Context, db store.DB, id uuid.UUID) (T, error) {
	items, err := BareItemsOf[T](ctx, db, id)
	return only(id, items, err)
}

func only[T any](id uuid.UUID, items []T, err error) (item T, _ error) {
	switch {
	case err != nil:
		return item, err
	case len(items) == 0:
		return item, UnknownItem(id)
	}
	return items[0], nil
}

// UnknownItem is the store.ErrUnknownItem of an item.
func UnknownItem(id uuid.UUID) error {
	return &store.RequestError{Kind: store.ErrUnknownItem, Message: "no queue item or execution " + id.String()}
}

// ItemsOf returns those of these items that there are, newest first. T has the fields of View.
func ItemsOf[T any](ctx context.Context, db store.DB, ids ...uuid.UUID) ([]T, error) {
	items, err := store.Collect[T](ctx, db, itemsSQL, ids, oldest(ids), "", true)
	return items, store.Wrap(err, "read items")
}

// BareItemsOf is ItemsOf without inputs and results.
func BareItemsOf[T any](ctx context.Context, db store.DB, ids ...uuid.UUID) ([]T, error) {
	items, err := store.Collect[T](ctx, db, itemsSQL, ids, oldest(ids), "", false)
	return items, store.Wrap(err, "read items")
}

// Items lists items, newest first: a page of them, whose last one is what the next page is before. T has the fields of View.
func Items[T any](ctx context.Context, db store.DB, f Filter) ([]T, error) {
	if f.Limit <= 0 {
		f.Limit = DefaultLimit
	}
	ids, err := newest(ctx, db, f)
	if err != nil {
		return nil, store.Wrap(err, "list items")
	}
	// One whose status has changed since is left out.
	items, err := store.Collect[T](ctx, db, itemsSQL, ids, oldest(ids), f.Status, !f.WithoutPayloads)
	return items, store.Wrap(err, "list items")
}

// Activity is a line of sluice.activity: who did what when.
type Activity struct {
	At          time.Time       `json:"at"`
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	WorkspaceID *uuid.UUID      `json:"workspaceId,omitempty"`
	QueueID     *uuid.UUID      `json:"queueId,omitempty"`
	Reason      *string         `json:"reason,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"`
}

// ItemActivity is what has happened to one item, oldest first. T has the fields of Activity.
func ItemActivity[T any](ctx context.Context, db store.DB, id uuid.UUID) ([]T, error) {
	activity, err := store.Collect[T](ctx, db, activitySQL, id)
	return activity, store.Wrap(err, "read activity of "+id.String())
}
