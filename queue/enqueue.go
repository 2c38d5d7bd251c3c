package queue

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Enqueue puts one item into the queue. When it returns without an error the item is committed and will start once,
// or end FAILED, CANCELLED or EXPIRED with a reason. Errors: ErrUnknownWorkspace, ErrUnknownDefinition,
// ErrForeignDefinition, ErrInvalid, or the database's own.
func (q *Queue) Enqueue(ctx context.Context, item Item) (Answer, error) {
	return enqueue(ctx, q.pool, item)
}

// EnqueueTx is Enqueue inside the caller's transaction: rolled back means never run, and nothing else waits for the
// transaction however long it stays open (a second enqueue of the same unique key excepted).
func (q *Queue) EnqueueTx(ctx context.Context, tx pgx.Tx, item Item) (Answer, error) {
	return enqueue(ctx, tx, item)
}

func enqueue(ctx context.Context, db executor, item Item) (Answer, error) {
	var answer Answer
	item, err := item.prepared()
	if err != nil {
		return answer, fmt.Errorf("enqueue: %w", err)
	}
	err = db.QueryRow(ctx, `SELECT sluice.enqueue_item($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9)`,
		item.WorkspaceID, item.DefinitionID, item.Input, item.Priority, nullTime(item.AvailableAt),
		nullString(item.UniqueKey), nullTime(item.ExpiresAt), nullString(item.EnqueuedBy), item.TriggerType).Scan(&answer)
	return answer, wrap(err, "enqueue")
}

// EnqueueMany enqueues all items or none, in one transaction, and answers for each in the order given. Items without
// a key and times also start in that order within their workspace and priority. Use it for more than a handful: a
// thousand rows cost two round trips.
func (q *Queue) EnqueueMany(ctx context.Context, items []Item) ([]Answer, error) {
	var answers []Answer
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) (err error) {
		answers, err = q.EnqueueManyTx(ctx, tx, items)
		return err
	})
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// EnqueueManyTx is EnqueueMany inside the caller's transaction.
func (q *Queue) EnqueueManyTx(ctx context.Context, tx pgx.Tx, items []Item) ([]Answer, error) {
	batch := &pgx.Batch{}
	answers := make([]Answer, len(items))
	var columns bulkColumns
	for n, item := range items {
		item, err := item.prepared()
		if err != nil {
			return nil, fmt.Errorf("enqueue item %d of %d: %w", n+1, len(items), err)
		}
		if item.UniqueKey == "" && item.ExpiresAt.IsZero() && item.AvailableAt.IsZero() {
			answers[n] = Answer{QueueID: uuid.Must(uuid.NewV7()), Status: "QUEUED", Message: messageQueued}
			columns.add(answers[n].QueueID, item)
			continue
		}
		// Keys and times are checked by the function that single enqueues use; all calls travel together.
		batch.Queue(`SELECT sluice.enqueue_item($1, $2, $3::jsonb, $4, $5, $6, $7, $8, $9)`,
			item.WorkspaceID, item.DefinitionID, item.Input, item.Priority, nullTime(item.AvailableAt),
			nullString(item.UniqueKey), nullTime(item.ExpiresAt), nullString(item.EnqueuedBy), item.TriggerType,
		).QueryRow(func(row pgx.Row) error {
			return wrap(row.Scan(&answers[n]), fmt.Sprintf("enqueue item %d of %d", n+1, len(items)))
		})
	}
	if len(columns.ids) > 0 {
		if err := columns.insert(ctx, tx); err != nil {
			return nil, wrap(err, fmt.Sprintf("enqueue %d items", len(items)))
		}
	}
	if batch.Len() > 0 {
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return nil, err
		}
	}
	return answers, nil
}
