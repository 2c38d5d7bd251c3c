package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/schema"
)

// database is a migrated database of its own, seen from both sides: an application enqueues, a worker dispatches.
type database struct {
	server string // where it is dropped; empty: with its server
	name   string
	pool   *pgxpool.Pool // the application's
	app    *queue.Client
	worker *pgxpool.Pool

	workspaces, definitions []uuid.UUID // the one of a place belongs to the other
	filled                  int         // items so far
}

// newDatabase makes a database with so many workspaces of one limit; close drops it.
func (b *bench) newDatabase(ctx context.Context, workspaces, limit int) (*database, error) {
	server, err := b.postgres(ctx)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("bench_%d", b.next())
	if err := execOnce(ctx, server, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	address, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("parse the server's address: %w", err)
	}
	address.Path = "/" + name
	if _, err := schema.Migrate(ctx, address.String()); err != nil {
		return nil, err
	}
	d, err := openDatabase(ctx, address.String())
	if err != nil {
		return nil, err
	}
	d.server, d.name = server, name
	if err := d.populate(ctx, workspaces, limit); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func execOnce(ctx context.Context, url, sql string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

func openDatabase(ctx context.Context, url string) (*database, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	config.MaxConns = callers + 4
	d := &database{}
	if d.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	if d.worker, err = store.Open(ctx, url, callers+8); err != nil {
		d.pool.Close()
		return nil, err
	}
	d.app = queue.New(d.pool)
	return d, nil
}

func (d *database) close() {
	d.pool.Close()
	d.worker.Close()
	if d.server != "" {
		// A deep backlog takes gigabytes. What cannot be dropped goes with its server.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = execOnce(ctx, d.server, "DROP DATABASE "+d.name+" WITH (FORCE)")
	}
}

// nothing is a definition that does nothing.
var nothing = fmt.Sprintf(`{"name": "nothing", "nodes": [{"id": "%s", "type": "noop"}]}`, uuid.NewSHA1(uuid.Nil, []byte("noop")))

// plan is what all workspaces are on.
const plan = "BENCH"

// populate creates the workspaces, each with the definition that does nothing.
func (d *database) populate(ctx context.Context, workspaces, limit int) error {
	if _, err := admin.New(d.pool).SetTier(ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &limit}, "bench"); err != nil {
		return err
	}
	for range workspaces {
		d.workspaces = append(d.workspaces, uuid.New())
		d.definitions = append(d.definitions, uuid.New())
	}
	_, err := d.pool.Exec(ctx, `
		WITH pair AS (
			SELECT * FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS p (workspace_id, definition_id, place)
		), workspaces AS (
			INSERT INTO sluice.workspaces (id, name, plan) SELECT workspace_id, 'workspace ' || place, $3 FROM pair
		), definitions AS (
			INSERT INTO sluice.workflow_definitions (id, workspace_id, name) SELECT definition_id, workspace_id, 'nothing' FROM pair
		)
		INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT definition_id, 1, $4::jsonb FROM pair`,
		d.workspaces, d.definitions, plan, nothing)
	if err != nil {
		return fmt.Errorf("create workspaces: %w", err)
	}
	return nil
}

// settle lets the dust of a load settle: statistics gathered, nothing dead, nothing to be written out.
func (d *database) settle(ctx context.Context) error {
	return d.exec(ctx, "VACUUM (ANALYZE)", "CHECKPOINT")
}

func (d *database) exec(ctx context.Context, statements ...string) error {
	for _, statement := range statements {
		if _, err := d.pool.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// one runs a query that returns one value.
func one[T any](ctx context.Context, d *database, sql string, args ...any) (value T, err error) {
	if err := d.pool.QueryRow(ctx, sql, args...).Scan(&value); err != nil {
		return value, fmt.Errorf("%s: %w", sql, err)
	}
	return value, nil
}

// fillChunk is how many items one statement adds.
const fillChunk = 500_000

// fill adds items that are ready, in turn for all workspaces; one in six is of another priority than the default.
// Nothing is measured here, so it goes past package queue.
func (d *database) fill(ctx context.Context, items int) error {
	for items > 0 {
		chunk := min(items, fillChunk)
		_, err := d.pool.Exec(ctx, `
			WITH event AS (
				INSERT INTO sluice.events (workspaces, available_at, quiet)
				SELECT array_agg(DISTINCT ($1::uuid[])[1 + n % cardinality($1)]), now(), true FROM generate_series($3::int, $4::int) AS n
			)
			INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, enqueued_by, input)
			SELECT sluice.uuid_v7(), ($1::uuid[])[1 + n % cardinality($1)], ($2::uuid[])[1 + n % cardinality($1)],
			       CASE WHEN n % 6 = 0 THEN 1 + n / 6 % 5 ELSE 3 END, 'bench',
			       jsonb_build_object('order', n, 'note', repeat('x', 130))
			FROM generate_series($3::int, $4::int) AS n`, d.workspaces, d.definitions, d.filled, d.filled+chunk-1)
		if err != nil {
			return fmt.Errorf("fill a backlog: %w", err)
		}
		d.filled += chunk
		items -= chunk
	}
	return nil
}
