package admin

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"

	"sluice/internal/store/catalog"
)

// Activity is an entry of the activity log: who did what.
type Activity struct {
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	WorkspaceID *uuid.UUID      `json:"workspaceId,omitempty"`
	QueueID     *uuid.UUID      `json:"queueId,omitempty"`
	Reason      *string         `json:"reason,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"` // a JSON object
}

// Log records what leaves no other fact, such as an operator's action. It shows in sluice.activity.
func (c *Client) Log(ctx context.Context, a Activity) error {
	return catalog.Log(ctx, c.pool, catalog.Activity(a))
}
