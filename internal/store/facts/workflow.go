package facts

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/store"
)

var (
	notStartedSQL = load("not_started", "workflow_id")
	requestOfSQL  = load("request_of", "item")
)

// NotStarted returns the newest item that waits to start a workflow of this id, which its caller has chosen, or
// store.ErrUnknownItem.
func NotStarted(ctx context.Context, db store.DB, workflowID string) (id uuid.UUID, err error) {
	ids, err := store.Values[uuid.UUID](ctx, db, notStartedSQL, workflowID)
	switch {
	case err != nil:
		return id, store.Wrap(err, "look for an item of workflow "+workflowID)
	case len(ids) == 0:
		return id, &store.RequestError{Kind: store.ErrUnknownItem, Message: "no item waits to start workflow " + workflowID}
	}
	return ids[0], nil
}

// RequestOf returns the request with which an item was enqueued, nil if it was not enqueued with one, or store.ErrUnknownItem.
func RequestOf(ctx context.Context, db store.DB, id uuid.UUID) ([]byte, error) {
	requests, err := store.Values[[]byte](ctx, db, requestOfSQL, id)
	switch {
	case err != nil:
		return nil, store.Wrap(err, "read the request of item "+id.String())
	case len(requests) == 0:
		return nil, &store.RequestError{Kind: store.ErrUnknownItem, Message: "no queue item or execution " + id.String()}
	}
	return requests[0], nil
}
