package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib" // database/sql for goose
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"sluice/internal/alive"
	"sluice/internal/postgres"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrationLock orders the creation of the schema itself; goose's own session lock needs the schema to exist.
const migrationLock = 0x51_1ce

// A migration may change a table that a long transaction of an application has enqueued into. All later enqueues wait
// behind a statement that waits for such a lock, so it waits only briefly, then lets them pass and tries again.
const (
	lockTimeout  = 250 * time.Millisecond
	lockPause    = time.Second
	lockPatience = 5 * time.Minute // of all attempts
)

// ErrLocked says that other transactions held what a migration has to change for as long as it was tried.
var ErrLocked = errors.New("other transactions keep tables of schema sluice locked; end them (see pg_stat_activity, pg_prepared_xacts) and run again: starter migrate")

// Migrate brings the schema `sluice` of the database to the newest version and returns the versions it applied,
// oldest first; none when it was up to date. It may run in several processes at once and while workers run: one
// migrates, the others wait and find nothing left to do. An enqueue waits for it a moment at most. It gives up with
// ErrLocked after five minutes behind other transactions. Its role must own the schema, act as the owner, or be allowed to create it.
func Migrate(ctx context.Context, databaseURL string) ([]int64, error) {
	return MigrateNotifying(ctx, databaseURL, nil)
}

// MigrateNotifying is Migrate, and tells for which other sessions it waits, when it begins to and whenever that changes.
func MigrateNotifying(ctx context.Context, databaseURL string, notify func(message string)) ([]int64, error) {
	return migrate(ctx, databaseURL, migrations, lockPatience, notify)
}

func migrate(ctx context.Context, databaseURL string, files fs.FS, patience time.Duration, notify func(string)) ([]int64, error) {
	db, closeAll, err := open(ctx, databaseURL)
	if err != nil {
		return nil, err
	}
	defer closeAll()
	provider, err := newProvider(db, files)
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	var applied []int64
	w := waiting{notify: notify}
	for began := time.Now(); ; {
		done, err := up(ctx, db, provider)
		applied = append(applied, done...)
		if !isLockTimeout(err) {
			return applied, err
		}
		w.look(ctx, db)
		if time.Since(began)+lockPause > patience {
			return applied, fmt.Errorf("%w%s: %w", ErrLocked, w.behind(), err)
		}
		select {
		case <-ctx.Done():
			return applied, fmt.Errorf("migrate schema sluice%s: %w", w.behind(), ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

// leastConns is what a migration may need at once: for goose's lock, for a statement beside it, and to see who is in the way.
const leastConns = 4

// open returns a database whose sessions wait for no lock longer than lockTimeout. A connection that delivers nothing any more is noticed.
func open(ctx context.Context, databaseURL string) (db *sql.DB, closeAll func(), err error) {
	config, err := postgres.Config(databaseURL)
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = max(config.MaxConns, leastConns)
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // no statement runs twice
	prepare := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := prepare(ctx, conn); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, `SELECT set_config('lock_timeout', $1, false)`, fmt.Sprint(lockTimeout.Milliseconds())); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, actAsOwnerSQL)
		return err
	}
	watched := alive.Watch(config)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, fmt.Errorf("open database pool: %w", err)
	}
	watched(pool)
	db = stdlib.OpenDBFromPool(pool)
	return db, func() { _ = db.Close(); pool.Close() }, nil
}

// up applies what is left to do, as far as it gets.
func up(ctx context.Context, db *sql.DB, provider *goose.Provider) (applied []int64, err error) {
	if err := createSchema(ctx, db); err != nil {
		return nil, fmt.Errorf("create schema sluice: %w", mayNot(ctx, db, err))
	}
	results, err := provider.Up(ctx)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		results = partial.Applied
	}
	for _, r := range results {
		applied = append(applied, r.Source.Version)
	}
	if err != nil {
		return applied, fmt.Errorf("migrate schema sluice: %w", remedy(ctx, db, err))
	}
	return applied, nil
}

func isLockTimeout(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03" // lock_not_available
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
		return fmt.Errorf("look for schema sluice: %w", forbidden(err))
	}
	if !exists {
		return ErrNotMigrated
	}
	var version int64
	if err := conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM sluice.schema_migrations WHERE is_applied`).Scan(&version); err != nil {
		return fmt.Errorf("read version of schema sluice: %w", forbidden(err))
	}
	if version < Version() {
		return fmt.Errorf("%w (found version %d, need %d)", ErrNotMigrated, version, Version())
	}
	return nil
}

func newProvider(db *sql.DB, all fs.FS) (*goose.Provider, error) {
	files, err := fs.Sub(all, "migrations")
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

// createSchema makes the schema where it is missing. An administrator may have made it for a role that may create no
// schemas: CREATE SCHEMA IF NOT EXISTS would be refused to that role.
func createSchema(ctx context.Context, db *sql.DB) error {
	// A query of the table sees what others have committed meanwhile. to_regnamespace goes by a cache of the session, which remembers
	// from the first look that there is none: 8 of 12 runs of eight processes at once failed.
	const isThere = `SELECT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'sluice')`
	var exists bool
	if err := db.QueryRowContext(ctx, isThere).Scan(&exists); err != nil || exists {
		return err // does not wait for the lock: anybody who may connect can take and hold it
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(migrationLock)); err != nil {
		return err
	}
	if err := tx.QueryRowContext(ctx, isThere).Scan(&exists); err != nil || exists {
		return err
	}
	if _, err := tx.ExecContext(ctx, `CREATE SCHEMA sluice`); err != nil {
		return err
	}
	return tx.Commit()
}
