package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// registerIDs has ids travel as the 16 bytes that they are. By itself pgx makes text of each that is sent, at the price of
// an error it swallows; and with pgxuuid alone of each that is read, because they can scan text: a fifteenth of what a
// dispatcher's process computed.
func registerIDs(types *pgtype.Map) {
	pgxuuid.Register(types)
	id := &pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: idCodec{}}
	types.RegisterType(id)
	types.RegisterType(&pgtype.Type{Name: "_uuid", OID: pgtype.UUIDArrayOID, Codec: &pgtype.ArrayCodec{ElementType: id}})
}

type idCodec struct{ pgxuuid.UUIDCodec }

func (c idCodec) PlanEncode(types *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ok := value.(uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return encodeID{}
	}
	return c.UUIDCodec.PlanEncode(types, oid, format, value)
}

func (c idCodec) PlanScan(types *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ok := target.(*uuid.UUID); ok && format == pgtype.BinaryFormatCode {
		return scanID{}
	}
	return c.UUIDCodec.PlanScan(types, oid, format, target)
}

type encodeID struct{}

func (encodeID) Encode(value any, buf []byte) ([]byte, error) {
	id, ok := value.(uuid.UUID)
	if !ok {
		return nil, fmt.Errorf("encode an id: it is a %T", value)
	}
	return append(buf, id[:]...), nil
}

type scanID struct{}

func (scanID) Scan(src []byte, target any) error {
	id, ok := target.(*uuid.UUID)
	switch {
	case !ok:
		return fmt.Errorf("read an id: into a %T", target)
	case src == nil:
		*id = uuid.Nil // as uuid.UUID scans it
		return nil
	case len(src) != len(id):
		return fmt.Errorf("read an id: it has %d bytes", len(src))
	}
	copy(id[:], src)
	return nil
}

// AnyPool is a pool that an application has opened. registerIDs was not called for its connections, and they may not prepare
// statements, because of a pooler for example: then pgx cannot send a slice of ids. AnyPool has it send all ids in its own type.
// It does not change the arguments of batches.
type AnyPool struct{ *pgxpool.Pool }

var _ DB = AnyPool{}

// Exec is that of the pool.
func (p AnyPool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return p.Pool.Exec(ctx, sql, pgIDs(args)...)
}

// Query is that of the pool.
func (p AnyPool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return p.Pool.Query(ctx, sql, pgIDs(args)...)
}

// QueryRow is that of the pool.
func (p AnyPool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return p.Pool.QueryRow(ctx, sql, pgIDs(args)...)
}

// pgIDs returns arguments of a statement with each id, and each slice of ids, in the type of pgx.
func pgIDs(args []any) []any {
	sent := make([]any, len(args))
	for i, arg := range args {
		switch id := arg.(type) {
		case uuid.UUID:
			sent[i] = pgID(id)
		case []uuid.UUID:
			var ids idColumn // NULL, as the slice is if it is nil
			if id != nil {
				ids = make(idColumn, len(id))
			}
			for i := range id {
				ids[i] = pgID(id[i])
			}
			sent[i] = ids
		default:
			sent[i] = arg
		}
	}
	return sent
}

// pgID is an id as pgx sends it best on any connection: of a uuid.UUID it would make text first, where registerIDs was not called.
func pgID(id uuid.UUID) pgtype.UUID { return pgtype.UUID{Bytes: id, Valid: true} }

// idColumn is an array of one dimension: of other slices pgx looks for more.
type idColumn = pgtype.FlatArray[pgtype.UUID]

// FirstID is the least id that an item enqueued at a moment has, an hour earlier for clocks that differ.
func FirstID(at time.Time) (id uuid.UUID) {
	ms := uint64(max(at.Add(-time.Hour).UnixMilli(), 0))
	for i := range 6 {
		id[i] = byte(ms >> (8 * (5 - i)))
	}
	id[6], id[8] = 0x70, 0x80
	return id
}
