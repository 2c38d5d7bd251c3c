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
	many, err := newMany(items)
	if err == nil {
		err = q.enqueueMany(ctx, many)
	}
	if err != nil {
		return nil, err
	}
	return many.answers, nil
}

func (q *Queue) enqueueMany(ctx context.Context, m *many) (err error) {
	asked := time.Now()
	m.unvouched = q.vouched.missing(asked, m.unvouched)
	if m.keyed.Len() == 0 {
		err = m.insertPlain(ctx, q.pool, insertManyAlone)
	} else {
		err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error { return m.insert(ctx, tx) })
	}
	if err != nil {
		return err
	}
	q.vouched.add(asked, m.unvouched...)
	q.near.ring()
	return nil
}

// EnqueueManyTx is EnqueueMany inside the caller's transaction.
func (q *Queue) EnqueueManyTx(ctx context.Context, tx pgx.Tx, items []Item) ([]Answer, error) {
	many, err := newMany(items)
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
	plain   []Item        // nothing but their definitions is left for the database to check
	ids     []pgtype.UUID // of the plain ones
	ringing []pgtype.UUID // the workspaces of the plain ones, each once
	keyed   pgx.Batch     // keys and times are checked by the function that single enqueues use; all calls travel together
	random  *bufio.Reader // one system call for many ids

	unvouched []ownership // of the plain ones, each once: what is to be checked
	seen      map[ownership]struct{}
	rings     map[uuid.UUID]struct{}
}

func newMany(items []Item) (*many, error) {
	m := emptyMany(len(items))
	for n, item := range items {
		item, err := item.prepared()
		if err != nil {
			return nil, fmt.Errorf("enqueue item %d of %d: %w", n+1, len(items), err)
		}
		m.add(n, item)
	}
	return m, nil
}

func emptyMany(n int) *many {
	return &many{
		answers: make([]Answer, n), plain: make([]Item, 0, n), ids: make([]pgtype.UUID, 0, n),
		random: bufio.NewReaderSize(rand.Reader, min(n, 256)*len(uuid.UUID{})),
		seen:   map[ownership]struct{}{}, rings: map[uuid.UUID]struct{}{},
	}
}

// add takes the item of a place, prepared.
func (m *many) add(place int, item Item) {
	if !item.plain() {
		m.keyed.Queue(enqueueItem, item.arguments()...).QueryRow(func(row pgx.Row) error {
			return wrap(row.Scan(&m.answers[place]), fmt.Sprintf("enqueue item %d of %d", place+1, len(m.answers)))
		})
		return
	}
	id := newID(m.random)
	m.answers[place] = queued(id)
	m.ids = append(m.ids, wire(id))
	m.plain = append(m.plain, item)

	owner := item.ownership()
	if _, ok := m.seen[owner]; ok {
		return
	}
	m.seen[owner] = struct{}{}
	m.unvouched = append(m.unvouched, owner)
	if _, ok := m.rings[item.WorkspaceID]; !ok {
		m.rings[item.WorkspaceID] = struct{}{}
		m.ringing = append(m.ringing, wire(item.WorkspaceID))
	}
}

// newID is later in the order of ids than those before it.
func newID(random io.Reader) uuid.UUID { return uuid.Must(uuid.NewV7FromReader(random)) }

func (m *many) insert(ctx context.Context, tx pgx.Tx) error {
	if err := m.insertPlain(ctx, tx, insertManyInTx); err != nil || m.keyed.Len() == 0 {
		return err
	}
	return tx.SendBatch(ctx, &m.keyed).Close()
}

// insertPlain brings the plain items by one statement.
func (m *many) insertPlain(ctx context.Context, db executor, sql string) error {
	if len(m.plain) == 0 {
		return nil
	}
	var (
		n                       = len(m.plain)
		workspaces, definitions = make([]pgtype.UUID, n), make([]pgtype.UUID, n)
		priorities, inputs      = make([]int16, n), make([]json.RawMessage, n)
		actors, triggers        = make([]string, n), make([]string, n)
	)
	for i := range m.plain {
		item := &m.plain[i]
		workspaces[i], definitions[i] = wire(item.WorkspaceID), wire(item.DefinitionID)
		priorities[i], inputs[i] = int16(item.Priority), item.Input
		actors[i], triggers[i] = item.EnqueuedBy, item.TriggerType
	}
	var owners, checked []pgtype.UUID
	for _, o := range m.unvouched {
		owners, checked = append(owners, wire(o.workspace)), append(checked, wire(o.definition))
	}
	_, err := db.Exec(ctx, sql, flat(m.ringing), flat(owners), flat(checked),
		flat(m.ids), flat(workspaces), flat(definitions), priorities, flat(inputs), actors, triggers)
	return wrap(err, fmt.Sprintf("enqueue %d items", len(m.answers)))
}

// flat is a column as pgx sends it without looking for further dimensions.
func flat[T any](column []T) pgtype.FlatArray[T] { return column }

// One bell does for all workspaces where the statement is a transaction of its own and wakes by itself; a bell that wakes at
// the commit is of one workspace.
const (
	insertManyAlone = ringOnce + insertMany + ` WHERE ` + checkDefinitions + ` AND ` + wakeParkedOfMany
	insertManyInTx  = ringForEach + insertMany + ` WHERE ` + checkDefinitions

	ringOnce = `
WITH bell AS (
	INSERT INTO sluice.doorbell (workspace_id, workspaces, available_at, quiet)
	VALUES ('00000000-0000-0000-0000-000000000000', $1::uuid[], now(), true)
)`
	ringForEach = `
WITH bell AS (
	INSERT INTO sluice.doorbell (workspace_id, available_at) SELECT workspace_id, now() FROM unnest($1::uuid[]) AS ringing (workspace_id)
)`

	insertMany = `
INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type, rung)
SELECT id, workspace_id, definition_id, priority, input, coalesce(nullif(actor, ''), ` + defaultActor + `), trigger_type, true
FROM unnest($4::uuid[], $5::uuid[], $6::uuid[], $7::smallint[], $8::jsonb[], $9::text[], $10::text[])
     AS item (id, workspace_id, definition_id, priority, input, actor, trigger_type)`

	checkDefinitions = `
(SELECT coalesce(bool_and(CASE WHEN d.workspace_id = pair.workspace_id THEN true
                               ELSE sluice.check_definition(pair.workspace_id, pair.definition_id) END), true)
 FROM unnest($2::uuid[], $3::uuid[]) AS pair (workspace_id, definition_id)
 LEFT JOIN sluice.workflow_definitions d ON d.id = pair.definition_id)`

	wakeParkedOfMany = `
CASE WHEN EXISTS (SELECT FROM sluice.parked)
     THEN (SELECT bool_and(sluice.wake(workspace_id, false)) FROM unnest($1::uuid[]) AS ringing (workspace_id)) ELSE true END`
)
