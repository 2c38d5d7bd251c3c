package devtest

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/devstack"
)

const (
	// startTimeout covers a first run that downloads or builds a server.
	startTimeout = 15 * time.Minute
	// patience is for what takes milliseconds on a machine that does nothing else.
	patience = 5 * time.Minute
)

var postgres struct {
	mu        sync.Mutex
	server    *devstack.Postgres
	err       error
	databases atomic.Int64
	templates map[string]*template
}

// template is a migrated database, made once per process.
type template struct {
	once     sync.Once
	database string
	err      error
}

// Postgres returns the URL of a new empty database, which is dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, sharedPostgres(t), "")
}

// PostgresFrom returns the URL of a new database that is a copy of a template.
// The first call with a name makes that template by running migrate on an empty
// database; migrate must close its connections. Every later call copies, which
// takes tens of milliseconds, so that one name must always mean the same migration.
func PostgresFrom(t testing.TB, name string, migrate func(ctx context.Context, url string) error) string {
	t.Helper()
	server := sharedPostgres(t)
	tmpl := templateNamed(name)
	tmpl.once.Do(func() { tmpl.err = tmpl.make(server, name, migrate) })
	if tmpl.err != nil {
		t.Fatalf("make the template database %q: %v", name, tmpl.err)
	}
	return newDatabase(t, server, tmpl.database)
}

func sharedPostgres(t testing.TB) *devstack.Postgres {
	t.Helper()
	postgres.mu.Lock()
	defer postgres.mu.Unlock()
	if postgres.server == nil && postgres.err == nil {
		// Not the test's context: the server outlives the test that happens to come first.
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		postgres.server, postgres.err = devstack.StartPostgres(ctx, devstack.PostgresConfig{InMemory: true, Progress: t.Logf})
	}
	if postgres.err != nil {
		t.Fatalf("start the shared PostgreSQL server: %v", postgres.err)
	}
	return postgres.server
}

func closePostgres() error {
	postgres.mu.Lock()
	defer postgres.mu.Unlock()
	if postgres.server == nil {
		return nil
	}
	return postgres.server.Close()
}

func templateNamed(name string) *template {
	postgres.mu.Lock()
	defer postgres.mu.Unlock()
	if postgres.templates == nil {
		postgres.templates = map[string]*template{}
	}
	tmpl, ok := postgres.templates[name]
	if !ok {
		tmpl = &template{}
		postgres.templates[name] = tmpl
	}
	return tmpl
}

func (tmpl *template) make(server *devstack.Postgres, name string, migrate func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tmpl.database = databaseName("template", name)
	quoted := pgx.Identifier{tmpl.database}.Sanitize()
	if err := execute(ctx, server.URL, "CREATE DATABASE "+quoted); err != nil {
		return err
	}
	if err := migrate(ctx, databaseURL(server.URL, tmpl.database)); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// A template with a connection cannot be copied: no more are allowed, and those
	// that migrate left open are ended. Copying would wait some seconds for them to be
	// gone; here is time for more.
	sessions := "FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = '" + strings.ReplaceAll(tmpl.database, "'", "''") + "'"
	return execute(ctx, server.URL,
		"ALTER DATABASE "+quoted+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) "+sessions,
		"DO $$ BEGIN WHILE EXISTS (SELECT "+sessions+") LOOP PERFORM pg_sleep(0.05), pg_stat_clear_snapshot(); END LOOP; END $$")
}

func newDatabase(t testing.TB, server *devstack.Postgres, from string) string {
	t.Helper()
	name := databaseName("test", t.Name())
	quoted := pgx.Identifier{name}.Sanitize()
	create := "CREATE DATABASE " + quoted
	if from != "" {
		create += " TEMPLATE " + pgx.Identifier{from}.Sanitize()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := execute(ctx, server.URL, create); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		// FORCE: a pool the test forgot must not fail the cleanup of the next one.
		if err := execute(ctx, server.URL, "DROP DATABASE "+quoted+" WITH (FORCE)"); err != nil {
			t.Errorf("drop a test database: %v", err)
		}
	})
	return databaseURL(server.URL, name)
}

// databaseName is unique in the process and tells in pg_stat_activity whose it is.
func databaseName(kind, name string) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(name))
	if len(clean) > 40 { // PostgreSQL cuts at 63
		clean = clean[:40]
	}
	return fmt.Sprintf("%s_%d_%s", kind, postgres.databases.Add(1), clean)
}

func databaseURL(serverURL, database string) string {
	u, err := url.Parse(serverURL)
	if err != nil {
		panic(err) // devstack made it
	}
	u.Path = "/" + database
	return u.String()
}

func execute(ctx context.Context, url string, statements ...string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}
