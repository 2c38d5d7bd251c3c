package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/queue"
	"sluice/schema"
)

// database is a migrated database of its own, seen from both sides: an application enqueues, a dispatcher works.
type database struct {
	server     string // where it is dropped; empty: nobody needs to
	name       string
	pool       *pgxpool.Pool // the application's
	app        *queue.Queue
	worker     *pgxpool.Pool // with the settings of the dispatcher and of those who record outcomes
	dispatcher *queue.Queue

	workspaces, definitions []uuid.UUID // the one of a place belongs to the other
	loaded                  int         // items so far
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
	if d.worker, err = queue.DispatcherPool(ctx, url, callers+8); err != nil {
		d.pool.Close()
		return nil, err
	}
	d.app, d.dispatcher = queue.New(d.pool), queue.New(d.worker)
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
	if _, err := d.app.SetTier(ctx, plan, queue.TierChange{MaxConcurrentWorkflows: &limit}, "bench"); err != nil {
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
	for _, statement := range []string{"VACUUM (ANALYZE)", "CHECKPOINT"} {
		if _, err := d.pool.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// count runs a query that returns one number.
func (d *database) count(ctx context.Context, sql string, args ...any) (n int, err error) {
	if err := d.pool.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return n, nil
}
