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

// NotStarted returns, by workspace, the newest item of each that waits to start a workflow of this id, which its caller has chosen.
func NotStarted(ctx context.Context, db store.DB, workflowID string) (map[uuid.UUID]uuid.UUID, error) {
	found, err := store.Collect[struct{ Workspace, Item uuid.UUID }](ctx, db, notStartedSQL, workflowID)
	if err != nil {
		return nil, store.Wrap(err, "look for items of workflow "+workflowID)
	}
	items := make(map[uuid.UUID]uuid.UUID, len(found))
	for _, f := range found {
		items[f.Workspace] = f.Item
	}
	return items, nil
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
