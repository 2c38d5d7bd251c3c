package queue

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Workspace returns the id of the workspace that the platform knows by a key, or whose id that is. Where the deployment has a plan for
// workspaces that nobody has registered, it creates one; otherwise ErrUnknownWorkspace says that there is none. ErrInvalid says that
// the key is none: 1 to 200 characters that can be seen, without blanks around them.
func (c *Client) Workspace(ctx context.Context, key string) (id uuid.UUID, err error) {
	err = again(ctx, func() error {
		id, err = store.Workspace(ctx, c.pool, key)
		return err
	})
	return id, err
}
