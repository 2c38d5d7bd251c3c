package store

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

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
