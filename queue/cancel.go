package queue

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
)

// Cancel ends a PENDING item as CANCELLED and returns the status that the item has afterwards. An item that is CLAIMED or
// DISPATCHED is not touched: its workflow has to be cancelled in Temporal. The reason has at most 1,000 characters. ErrUnknownItem says that there is no such item.
func (c *Client) Cancel(ctx context.Context, id uuid.UUID, actor, reason string) (status string, err error) {
	if err := bounds.Words(actor); err != nil {
		return "", store.Wrap(store.Invalid("actor %v", err), "cancel item "+id.String())
	}
	if err := bounds.Reason(reason, bounds.MaxReason); err != nil {
		return "", store.Wrap(store.Invalid("reason %v", err), "cancel item "+id.String())
	}
	refusal := store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: actor, Message: reason}
	for {
		if err := again(ctx, func() error {
			_, err := store.EndPending(ctx, c.pool, []uuid.UUID{id}, refusal)
			return err
		}); err != nil {
			return "", store.Wrap(err, "cancel item "+id.String())
		}
		state, err := c.Get(ctx, id)
		if err != nil || state.Status != "PENDING" { // PENDING: its start has failed just now
			return state.Status, err
		}
	}
}
