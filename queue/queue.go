package queue

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Queue is the execution queue in one database. It is safe for concurrent use and holds no state of its own, but for
// copies of what never changes, and for some seconds of what seldom does, for who waits for what, and for how far checks
// have come.
type Queue struct {
	pool     *pgxpool.Pool
	shard    int           // see Shard
	waits    *atomic.Int64 // connections that Await holds
	versions *versions
	near     *near
	vouched  *vouched
	patrol   *patrol
	sharing  *gatherer[Item, Answer]
}

// New returns the queue in the pool's database, whose schema must be migrated. The pool stays the caller's to close.
func New(pool *pgxpool.Pool) *Queue {
	q := &Queue{pool: pool, waits: new(atomic.Int64), versions: new(versions), vouched: new(vouched), near: new(near), patrol: new(patrol)}
	q.sharing = q.newSharing()
	return q
}

// Pool is the pool the queue was made with.
func (q *Queue) Pool() *pgxpool.Pool { return q.pool }

// DispatcherPool opens a pool with the planner settings the dispatcher's statements want: they touch few rows of
// large tables through one index, so a sequential scan, JIT compilation or a parallel plan is always a mistake of
// statistics that have not caught up. So is a bitmap scan: it reads a whole range of the backlog before a limit can end it.
// Plans are kept whatever the parameters are: they should be the same ones, and for a few rows Postgres would find each
// cheap enough to make it anew, at 4 ms for a claim and 0.3 for an outcome.
func DispatcherPool(ctx context.Context, databaseURL string, maxConns int32) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	if maxConns > 0 {
		config.MaxConns = maxConns
	}
	for name, value := range map[string]string{"jit": "off", "enable_seqscan": "off", "enable_bitmapscan": "off", "max_parallel_workers_per_gather": "0",
		"plan_cache_mode": "force_generic_plan"} {
		config.ConnConfig.RuntimeParams[name] = value
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "sluice"
	}
	config.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		registerIDs(conn.TypeMap())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	return pool, nil
}

// executor is what a statement needs: a pool, a connection or the caller's transaction.
type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// collect runs a query and reads its rows by column name.
func collect[T any](ctx context.Context, db executor, sql string, args ...any) ([]T, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByName[T])
}
