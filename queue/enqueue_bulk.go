package queue

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// EnqueueMany enqueues all items or none, in one transaction, and answers for each in the order given. Items without
// a key and times also start in that order within their workspace and priority. Use it for more than a handful: a
// thousand of those cost one round trip.
func (q *Queue) EnqueueMany(ctx context.Context, items []Item) ([]Answer, error) {
	asked := time.Now()
	many, err := newMany(items, func(o ownership) bool { return q.vouched.has(o, asked) })
	if err != nil {
		return nil, err
	}
	if many.keyed.Len() == 0 {
		err = many.insertPlain(ctx, q.pool, true)
	} else {
		err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error { return many.insert(ctx, tx) })
	}
	if err != nil {
		return nil, err
	}
	q.vouched.add(asked, many.columns.unvouched...)
	q.near.ring()
	return many.answers, nil
}

// EnqueueManyTx is EnqueueMany inside the caller's transaction.
func (q *Queue) EnqueueManyTx(ctx context.Context, tx pgx.Tx, items []Item) ([]Answer, error) {
	many, err := newMany(items, func(ownership) bool { return false })
	if err == nil {
		err = many.insert(ctx, tx)
	}
	if err != nil {
		return nil, err
	}
	return many.answers, nil
}

// many are items on their way into the queue, and the answers, complete when they are there.
type many struct {
	answers []Answer
	columns bulkColumns
	keyed   pgx.Batch // keys and times are checked by the function that single enqueues use; all calls travel together
}

func newMany(items []Item, vouched func(ownership) bool) (*many, error) {
	m := &many{answers: make([]Answer, len(items)), columns: newColumns(len(items), vouched)}
	random := bufio.NewReaderSize(rand.Reader, min(len(items), 256)*len(uuid.UUID{})) // one system call for many ids
	for n, item := range items {
		item, err := item.prepared()
		if err != nil {
			return nil, fmt.Errorf("enqueue item %d of %d: %w", n+1, len(items), err)
		}
		if item.plain() {
			m.answers[n] = queued(newID(random))
			m.columns.add(m.answers[n].QueueID, item)
			continue
		}
		m.keyed.Queue(enqueueItem, item.arguments()...).QueryRow(func(row pgx.Row) error {
			return wrap(row.Scan(&m.answers[n]), fmt.Sprintf("enqueue item %d of %d", n+1, len(items)))
		})
	}
	return m, nil
}

// newID is later in the order of ids than those before it.
func newID(random io.Reader) uuid.UUID { return uuid.Must(uuid.NewV7FromReader(random)) }

func (m *many) insert(ctx context.Context, tx pgx.Tx) error {
	if err := m.insertPlain(ctx, tx, false); err != nil || m.keyed.Len() == 0 {
		return err
	}
	return tx.SendBatch(ctx, &m.keyed).Close()
}

// insertPlain writes the items without a key and times; alone says that the statement is a transaction of its own.
func (m *many) insertPlain(ctx context.Context, db executor, alone bool) error {
	if len(m.columns.ids) == 0 {
		return nil
	}
	sql := insertManyInTx
	if alone {
		sql = insertManyAlone
	}
	c := &m.columns
	_, err := db.Exec(ctx, sql, c.ids, c.workspaces, c.definitions, c.priorities, c.inputs, c.actors, c.triggers, c.ringing, c.owners, c.checked)
	return wrap(err, fmt.Sprintf("enqueue %d items", len(m.answers)))
}

// bulkColumns are plain items, turned by ninety degrees for unnest, and what has to be done once for several of them.
type bulkColumns struct {
	ids, workspaces, definitions pgtype.FlatArray[pgtype.UUID]
	priorities                   []int16
	inputs                       pgtype.FlatArray[json.RawMessage]
	actors, triggers             []string // a single one stands for all

	ringing         pgtype.FlatArray[pgtype.UUID] // each workspace once
	owners, checked pgtype.FlatArray[pgtype.UUID] // of the unvouched
	unvouched       []ownership                   // each once

	vouched func(ownership) bool
	rings   map[uuid.UUID]struct{}
	seen    map[ownership]struct{}
}

func newColumns(n int, vouched func(ownership) bool) bulkColumns {
	ids := make([]pgtype.UUID, 3*n)
	return bulkColumns{
		ids: ids[:0:n], workspaces: ids[n : n : 2*n], definitions: ids[2*n : 2*n : 3*n],
		priorities: make([]int16, 0, n), inputs: make([]json.RawMessage, 0, n),
		vouched: vouched, rings: map[uuid.UUID]struct{}{}, seen: map[ownership]struct{}{},
	}
}

func (c *bulkColumns) add(id uuid.UUID, item Item) {
	workspace, definition := wire(item.WorkspaceID), wire(item.DefinitionID)
	c.ids = append(c.ids, wire(id))
	c.workspaces = append(c.workspaces, workspace)
	c.definitions = append(c.definitions, definition)
	c.priorities = append(c.priorities, int16(item.Priority))
	c.inputs = append(c.inputs, item.Input)
	c.actors = with(c.actors, len(c.ids)-1, item.EnqueuedBy)
	c.triggers = with(c.triggers, len(c.ids)-1, item.TriggerType)

	owner := item.ownership()
	if _, ok := c.seen[owner]; ok {
		return
	}
	c.seen[owner] = struct{}{}
	if !c.vouched(owner) {
		c.unvouched = append(c.unvouched, owner)
		c.owners, c.checked = append(c.owners, workspace), append(c.checked, definition)
	}
	if _, ok := c.rings[item.WorkspaceID]; !ok {
		c.rings[item.WorkspaceID] = struct{}{}
		c.ringing = append(c.ringing, workspace)
	}
}

// with adds a value to those of so many rows, which are a single one for as long as all are the same.
func with(values []string, rows int, next string) []string {
	if len(values) == 1 && values[0] == next {
		return values
	}
	for len(values) < rows {
		values = append(values, values[0])
	}
	return append(values, next)
}

// One bell does for all workspaces where the statement is a transaction of its own and wakes by itself; a bell that wakes
// at the commit is of one workspace.
const (
	insertManyAlone = `
WITH bell AS (
	INSERT INTO sluice.doorbell (workspace_id, workspaces, available_at, quiet)
	VALUES ('00000000-0000-0000-0000-000000000000', $8::uuid[], now(), true)
)` + insertManyPlain + `
  AND CASE WHEN EXISTS (SELECT FROM sluice.parked)
           THEN (SELECT bool_and(sluice.wake(workspace_id, false)) FROM unnest($8::uuid[]) AS ringing (workspace_id)) ELSE true END`

	insertManyInTx = `
WITH bell AS (
	INSERT INTO sluice.doorbell (workspace_id, available_at) SELECT workspace_id, now() FROM unnest($8::uuid[]) AS ringing (workspace_id)
)` + insertManyPlain

	insertManyPlain = `
INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type, rung)
SELECT id, workspace_id, definition_id, priority, input,
       coalesce(nullif(coalesce(actor, ($6::text[])[1]), ''), nullif(current_setting('application_name'), ''), session_user),
       coalesce(trigger_type, ($7::text[])[1]), true
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::jsonb[], $6::text[], $7::text[])
     AS item (id, workspace_id, definition_id, priority, input, actor, trigger_type)
WHERE (SELECT coalesce(bool_and(CASE WHEN d.workspace_id = pair.workspace_id THEN true
                                     ELSE sluice.check_definition(pair.workspace_id, pair.definition_id) END), true)
       FROM unnest($9::uuid[], $10::uuid[]) AS pair (workspace_id, definition_id)
       LEFT JOIN sluice.workflow_definitions d ON d.id = pair.definition_id)`
)
