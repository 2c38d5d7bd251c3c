package queue

import (
	"context"
	"encoding/binary"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// copyFrom is from how many items on they are brought by COPY: of a thousand, each takes Postgres 11.3 instead of 12.2 µs,
// which need not make arrays and rows of them first, and Go a quarter less. It also takes three round trips more, so up to
// some 128 items it is no cheaper.
const copyFrom = 256

// announce rings, checks, and wakes if the transaction is about nothing else; then comes the COPY.
const (
	announceAlone = ringOnce + ` SELECT ` + defaultActor + ` WHERE ` + checkDefinitions + ` AND ` + wakeParkedOfMany
	announceInTx  = ringForEach + ` SELECT ` + defaultActor + ` WHERE ` + checkDefinitions

	copyItems = `
COPY sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type, rung)
FROM STDIN (FORMAT binary)`
)

// copyPlain brings the plain items. What is wrong with a definition is said before the first of them is sent.
func (m *many) copyPlain(ctx context.Context, tx pgx.Tx, alone bool) error {
	sql := announceInTx
	if alone {
		sql = announceAlone
	}
	rows := copyRows{items: m.plain, ids: m.ids, rest: []byte(copyHeader)}
	owners, checked := m.toCheck()
	if err := tx.QueryRow(ctx, sql, flat(m.ringing), owners, checked).Scan(&rows.actor); err != nil {
		return m.wrap(err)
	}
	_, err := tx.Conn().PgConn().CopyFrom(ctx, &rows, copyItems)
	return m.wrap(err)
}

// copyRows reads as items in Postgres' binary COPY format, made as it is read. pgx would prepare a statement to learn the
// types of the columns, and look for a way to encode each value: that costs as much again.
type copyRows struct {
	items []Item
	ids   []pgtype.UUID
	actor string // of those who do not name one
	row   []byte // what was made last
	rest  []byte // what of it has not been read yet
	ended bool
}

const (
	copyHeader   = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" // no flags, no extension
	copyTrailer  = "\xff\xff"
	copyColumns  = 8
	jsonbVersion = 1
)

func (r *copyRows) Read(p []byte) (n int, err error) {
	for {
		copied := copy(p[n:], r.rest)
		n, r.rest = n+copied, r.rest[copied:]
		switch {
		case n == len(p):
			return n, nil
		case len(r.items) > 0:
			r.next()
		case !r.ended:
			r.rest, r.ended = []byte(copyTrailer), true
		default:
			return n, io.EOF
		}
	}
}

// next makes the next row.
func (r *copyRows) next() {
	item := &r.items[0]
	actor := item.EnqueuedBy
	if actor == "" {
		actor = r.actor
	}
	b := binary.BigEndian.AppendUint16(r.row[:0], copyColumns)
	b = appendField(b, r.ids[0].Bytes[:])
	b = appendField(b, item.WorkspaceID[:])
	b = appendField(b, item.DefinitionID[:])
	b = binary.BigEndian.AppendUint16(appendLength(b, 2), uint16(item.Priority))
	b = append(append(appendLength(b, 1+len(item.Input)), jsonbVersion), item.Input...)
	b = appendField(b, actor)
	b = appendField(b, item.TriggerType)
	b = append(appendLength(b, 1), 1) // rung
	r.row, r.rest, r.items, r.ids = b, b, r.items[1:], r.ids[1:]
}

func appendField[T string | []byte](b []byte, value T) []byte {
	return append(appendLength(b, len(value)), value...)
}

func appendLength(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, uint32(n)) }
