package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// DB runs statements: a pool, a connection, or somebody's transaction.
type DB interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// Open opens the pool of a worker. Its connections send ids as the 16 bytes that they are, and call themselves "sluice".
func Open(ctx context.Context, databaseURL string, maxConns int32) (*pgxpool.Pool, error) {
	return OpenAs(ctx, "sluice", databaseURL, maxConns)
}

// OpenAs opens the pool of another program, whose connections call themselves by its name.
func OpenAs(ctx context.Context, name, databaseURL string, maxConns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	if maxConns > 0 {
		config.MaxConns = maxConns
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = name
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerIDs(conn.TypeMap())
		_, err := conn.Exec(ctx, `SET default_transaction_isolation TO 'read committed'`) // what turns are taken at
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	return pool, nil
}

// Collect runs a query and reads its rows into structs by column name.
func Collect[T any](ctx context.Context, db DB, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}

// Values runs a query of one column and reads it.
func Values[T any](ctx context.Context, db DB, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}

// The statements that hold a slot or read a backlog touch few rows of tables that may be large, empty, or full of rows that
// a long transaction keeps. Statistics lag behind that, so these statements are planned without sequential and bitmap
// scans, and once. It holds for one batch, which is one transaction.
var tuneSQL = load("tune")

// tuned begins a batch of such statements.
func tuned() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(tuneSQL)
	return b
}

// unhurriedSQL has the rest of a batch committed without waiting for the disk.
var unhurriedSQL = load("unhurried")
