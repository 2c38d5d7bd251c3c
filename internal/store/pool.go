package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/alive"
	"sluice/internal/postgres"
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
	config, err := postgres.Config(databaseURL)
	if err != nil {
		return nil, err
	}
	if maxConns > 0 {
		config.MaxConns = maxConns
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = name
	}
	prepare := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		registerIDs(conn.TypeMap())
		return prepare(ctx, conn)
	}
	watched := alive.Watch(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	watched(pool)
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

// QueueCollect adds a query to a batch, and reads its rows into structs by column name when that is sent.
func QueueCollect[T any](b *pgx.Batch, into *[]T, sql string, args ...any) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectRows(rows, pgx.RowToStructByName[T])
		return err
	})
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

// ErrDoubtful says that a transaction may have committed or not, and that the database did not say which.
var ErrDoubtful = errors.New("it is not known whether the transaction has committed")

// How long, and how often, the database is asked what has become of a transaction whose answer was lost.
const (
	doubtPatience = 5 * time.Second
	doubtPause    = 50 * time.Millisecond
)

var (
	transactionIDSQL     = load("transaction_id")
	transactionStatusSQL = load("transaction_status", "id")
)

// InTransaction does something in a transaction. When the answer to its commit is lost, because ctx has ended or the connection is
// broken, it asks the database on another connection, whatever ctx says: an error then means that nothing has happened, but for
// ErrDoubtful.
func InTransaction(ctx context.Context, pool *pgxpool.Pool, do func(tx pgx.Tx) error) error {
	tx, err := pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := do(tx); err != nil {
		return err
	}
	var id string
	if err := tx.QueryRow(ctx, transactionIDSQL).Scan(&id); err != nil {
		return err
	}
	lost := tx.Commit(ctx)
	if lost == nil {
		return nil
	}
	patience, stop := context.WithTimeout(context.WithoutCancel(ctx), doubtPatience)
	defer stop()
	for {
		var status *string
		err := pool.QueryRow(patience, transactionStatusSQL, id).Scan(&status)
		switch {
		case err == nil && status != nil && *status == "committed":
			return nil
		case err == nil && status != nil && *status == "aborted":
			return lost
		}
		select {
		case <-patience.Done():
			return fmt.Errorf("%w: %w", ErrDoubtful, lost)
		case <-time.After(doubtPause):
		}
	}
}
