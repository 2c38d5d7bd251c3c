package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // database/sql driver for goose
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock orders the creation of the schema itself; goose's own session lock needs the schema to exist.
const migrationLock = 0x51_1ce

// Migrate brings the schema `sluice` of the database to the newest version and returns the versions it applied,
// oldest first; none when it was up to date. It may run in several processes at once and while workers run: one
// migrates, the others wait and find nothing left to do.
func Migrate(ctx context.Context, databaseURL string) ([]int64, error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("parse database url: %w", err)
	}
	db, err := sql.Open("pgx", config.ConnString())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	defer func() { _ = db.Close() }()
	if err := createSchema(ctx, db); err != nil {
		return nil, fmt.Errorf("create schema sluice: %w", err)
	}
	provider, err := newProvider(db)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	results, err := provider.Up(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate schema sluice: %w", err)
	}
	applied := make([]int64, 0, len(results))
	for _, r := range results {
		applied = append(applied, r.Source.Version)
	}
	return applied, nil
}

// Version is the newest version this build knows.
func Version() int64 {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		panic("no migrations embedded") // the embed directive guarantees both
	}
	version, err := goose.NumericComponent(files[len(files)-1])
	if err != nil {
		panic(err)
	}
	return version
}

// ErrNotMigrated says that a database lacks the schema this build needs.
var ErrNotMigrated = errors.New("schema sluice is missing or too old; run: starter migrate")

// Check returns nil when the database has at least this build's schema, ErrNotMigrated when it has less.
func Check(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) error {
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass('sluice.schema_migrations') IS NOT NULL`).Scan(&exists); err != nil {
		return fmt.Errorf("look for schema sluice: %w", err)
	}
	if !exists {
		return ErrNotMigrated
	}
	var version int64
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM sluice.schema_migrations WHERE is_applied`).Scan(&version); err != nil {
		return fmt.Errorf("read version of schema sluice: %w", err)
	}
	if version < Version() {
		return fmt.Errorf("%w (found version %d, need %d)", ErrNotMigrated, version, Version())
	}
	return nil
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // seconds; a fleet that starts waits for its first
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName("sluice.schema_migrations"), goose.WithSessionLocker(locker))
}

func createSchema(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `CREATE SCHEMA IF NOT EXISTS sluice`); err != nil {
		return err
	}
	return tx.Commit()
}
