package admin

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Deletion is how far the deletion of a workspace has come.
type Deletion struct {
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Pending     int64     `json:"pending"` // items that waited and are gone
	Ended       int64     `json:"ended"`   // items that had ended and are gone, with their inputs, outputs and unique keys
	Running     int       `json:"running"` // executions that held a slot when it began
}

// DeleteWorkspace deletes a workspace with its definitions, and all that it has waiting, has ended or has been logged of it.
// From the first moment on nothing can be enqueued for it, unless an enqueue creates it anew (Settings.AutoCreatePlan), and nothing of it is
// claimed. What runs is not touched, because only Temporal can end it: while Running is not 0, cancel or terminate the workflows of
// those executions, and call it again. It works in batches; when it is broken off, call it again. It also cleans up after a workspace
// whose row was deleted with SQL.
//
// The turns and events of the dispatchers forget its id within two hours. If it was ever in a cohort, the record of its limits
// stays, without its name, for as long as an audit judges by it what others in the cohort claimed. What a transaction that is
// still open enqueues for it ends FAILED, with reason workspace-gone; calling it again deletes that, too.
//
// ErrUnknownWorkspace says that there is no such workspace and nothing is left of it. To know what is there before, ask
// [Client.Belongings].
func (c *Client) DeleteWorkspace(ctx context.Context, id uuid.UUID, actor string) (d Deletion, err error) {
	const doing = "delete workspace"
	d.WorkspaceID = id
	known := false
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		known, err = catalog.DeleteWorkspace(ctx, tx, id, actor)
		return err
	})
	if err != nil {
		return d, err
	}
	// Before the rest is erased: what ends after this is left to the next call, which Running asks for.
	slots, err := catalog.RunningOf(ctx, c.pool, id)
	if err != nil {
		return d, fmt.Errorf("%s: %w", doing, err)
	}
	d.Running = len(slots)
	if d.Pending, d.Ended, err = catalog.Erase(ctx, c.pool, id); err != nil {
		return d, fmt.Errorf("%s: %w", doing, err)
	}
	if !known && d.Pending+d.Ended == 0 && d.Running == 0 {
		return d, fmt.Errorf("%s: %w", doing, &store.RequestError{Kind: ErrUnknownWorkspace, Message: "unknown workspace " + id.String(),
			Hint: "nothing is left of it; list those there are with: starter workspace list"})
	}
	return d, nil
}

// Belongings is how much there is of a workspace.
type Belongings struct {
	Name    *string `json:"name,omitempty"` // nil: its row has been deleted
	Pending int     `json:"pending"`
	Running int     `json:"running"`
	Ended   int     `json:"ended"`
}

// Belongings returns how much [Client.DeleteWorkspace] would delete. It counts all of it.
func (c *Client) Belongings(ctx context.Context, id uuid.UUID) (Belongings, error) {
	b, err := catalog.Belongings[Belongings](ctx, c.pool, id)
	return b, store.Wrap(err, "look at workspace "+id.String())
}
