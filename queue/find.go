package queue

import (
	"context"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// NotStarted returns the newest item that waits to start a workflow of this id, which its caller has chosen, or ErrUnknownItem.
func (c *Client) NotStarted(ctx context.Context, workflowID string) (State, error) {
	id, err := facts.NotStarted(ctx, c.pool, workflowID)
	if err != nil {
		return State{}, err
	}
	return c.Get(ctx, id)
}

// Request returns the request with which an item was enqueued, nil if it was not enqueued with one, or ErrUnknownItem.
func (c *Client) Request(ctx context.Context, id uuid.UUID) (*workflowservice.StartWorkflowExecutionRequest, error) {
	raw, err := facts.RequestOf(ctx, c.pool, id)
	if err != nil || raw == nil {
		return nil, err
	}
	r, err := request.Parse(raw)
	return r, store.Wrap(err, "read the request of item "+id.String())
}
