package queue

import (
	"context"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
)

// ReleaseKey lets a unique key of a workspace go whose item has ended, so that the next enqueue under it makes a new item. It answers
// with the item that held the key and what has become of it; with the nil id and no status where none did. ErrKeyHeld says that the
// item waits or runs: cancel it first.
func (c *Client) ReleaseKey(ctx context.Context, workspace uuid.UUID, key, actor string) (Answer, error) {
	const doing = "release a unique key"
	if err := bounds.Key(key); err != nil {
		return Answer{}, store.Wrap(store.Invalid("unique key %v", err), doing)
	}
	if err := bounds.Words(actor); err != nil {
		return Answer{}, store.Wrap(store.Invalid("actor %v", err), doing)
	}
	answer, err := store.ReleaseKey(ctx, c.pool, workspace, key, actor)
	return Answer(answer), store.Wrap(err, doing)
}
