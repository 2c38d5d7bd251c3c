package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// UniqueKey is a unique key of a workspace. Keys are in the order of these fields.
type UniqueKey struct {
	WorkspaceID uuid.UUID
	Key         string
}

// Beginner runs statements and begins transactions: a pool, or a connection.
type Beginner interface {
	DB
	BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error)
}

var (
	keyPageSQL    = load("key_page", "workspace", "key", "most")
	lockKeysSQL   = load("lock_keys", "workspaces", "keys", "items")
	deleteKeysSQL = load("delete_keys", "workspaces", "keys", "items", "locked")
)

// PruneKeys looks at the next unique keys after one, at most so many, and deletes those that hold no longer: their item is
// nowhere, or its time after the end is over. It returns how many, and the key to go on after: the zero key is before the
// first, and comes after the last.
func PruneKeys(ctx context.Context, db Beginner, after UniqueKey, most int) (deleted int64, last UniqueKey, err error) {
	type row struct {
		WorkspaceID uuid.UUID
		UniqueKey   string
		QueueID     uuid.UUID
		Over        bool
	}
	page, err := Collect[row](ctx, db, keyPageSQL, after.WorkspaceID, after.Key, most)
	if err != nil {
		return 0, after, Wrap(err, "read unique keys")
	}
	if len(page) == most {
		last = UniqueKey{WorkspaceID: page[most-1].WorkspaceID, Key: page[most-1].UniqueKey}
	}
	var workspaces, items []uuid.UUID
	var keys []string
	for _, k := range page {
		if k.Over {
			workspaces, keys, items = append(workspaces, k.WorkspaceID), append(keys, k.UniqueKey), append(items, k.QueueID)
		}
	}
	if len(keys) == 0 {
		return 0, last, nil
	}
	// An enqueue may be giving a key to its own item. It holds the lock meanwhile, and what it has done is seen by the second
	// statement.
	err = pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		locked, err := Values[uuid.UUID](ctx, tx, lockKeysSQL, workspaces, keys, items)
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, deleteKeysSQL, workspaces, keys, items, locked)
		deleted = tag.RowsAffected()
		return err
	})
	return deleted, last, Wrap(err, "delete unique keys")
}
