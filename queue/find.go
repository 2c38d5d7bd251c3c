package queue

import (
	"context"

	"github.com/google/uuid"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// NotStarted returns, for each workspace that has some, its newest item that waits to start a workflow of this id, which its caller has
// chosen. Workspaces may use the same ids.
func (c *Client) NotStarted(ctx context.Context, workflowID string) (items map[uuid.UUID]uuid.UUID, err error) {
	return facts.NotStarted(ctx, c.pool, workflowID)
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
