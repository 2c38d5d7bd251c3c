package devtest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// runs tells the runs of -count apart: the servers stay from one to the next.
var runs atomic.Int32

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func TestDatabasesAreEmptyAndApart(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprint("Copy ", i), func(t *testing.T) {
			t.Parallel()
			conn := connect(t, devtest.Postgres(t))
			_, err := conn.Exec(t.Context(), "CREATE TABLE things (id int)")
			require.NoError(t, err, "another test's table is here")
		})
	}
}

func TestTemplateIsMigratedOnceAndCopied(t *testing.T) {
	t.Parallel()
	var migrations atomic.Int32
	name := fmt.Sprint("things ", runs.Add(1))
	migrate := func(ctx context.Context, url string) error {
		migrations.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, "CREATE TABLE things (id int); INSERT INTO things VALUES (1)")
		return err // the connection stays open: copying has to cope with that
	}
	t.Run("copies", func(t *testing.T) {
		for i := range 8 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				started := time.Now()
				conn := connect(t, devtest.PostgresFrom(t, name, migrate))
				t.Log(time.Since(started))
				_, err := conn.Exec(t.Context(), "INSERT INTO things VALUES ($1)", i+2)
				require.NoError(t, err)
				var count int
				require.NoError(t, conn.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&count))
				require.Equal(t, 2, count)
			})
		}
	})
	require.EqualValues(t, 1, migrations.Load())
}

func TestTemporalTakesAttributesOfEveryCaller(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			name := fmt.Sprintf("Attribute%d", i)
			address, namespace := devtest.Temporal(t, map[string]string{name: "Keyword", "Shared": "Int"})
			startWith(t, address, namespace, fmt.Sprint(name, runs.Add(1)), name)
		})
	}
}

func TestNamespacesAreApart(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			started := time.Now()
			address, namespace := devtest.Namespace(t, map[string]string{"Workspace": "Keyword"})
			startWith(t, address, namespace, "same-id-in-each", "Workspace")
			t.Log(time.Since(started))
		})
	}
}

// startWith starts a workflow that uses the attribute right away; no worker runs it.
func startWith(t *testing.T, address, namespace, id, attribute string) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: address, Namespace: namespace, ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: "nobody", WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(attribute).ValueSet("x")),
	}, "Nothing")
	require.NoError(t, err)
}
