package recovery

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/schema"
	"sluice/workflows"
)

// bundle is a recovery between a migrated database, with one workspace in it, and a Temporal that is made up.
type bundle struct {
	*Recovery
	temporal   *temporal
	known      Known
	workspace  uuid.UUID
	definition uuid.UUID

	mu      sync.Mutex
	told    []uuid.UUID // that their slots are free
	gauges  map[string]float64
	logged  bytes.Buffer
	repairs map[string]int64
}

func setup(t *testing.T) *bundle {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := store.Open(t.Context(), url, 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bundle{temporal: newTemporal(), gauges: map[string]float64{}, repairs: map[string]int64{}}
	b.Recovery = New(Config{DB: pool, Client: b.temporal, StaleAfter: time.Minute,
		Logger:  slog.New(slog.NewTextHandler(b, nil)),
		Metrics: func(context.Context) client.MetricsHandler { return metrics{bundle: b} },
		Freed: func(executions []uuid.UUID, _, _ time.Time) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, executions...)
		}})
	b.workspace = one[uuid.UUID](t, pool, `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'PRO') RETURNING id`)
	b.definition = one[uuid.UUID](t, pool, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, b.workspace)
	return b
}

// Write takes the log.
func (b *bundle) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.Write(p)
}

func (b *bundle) log(t *testing.T) string {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.String()
}

func (b *bundle) freedIDs() []uuid.UUID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told
}

// metrics keeps the latest value of each gauge, and counts repairs by their reasons and ends by who has told of them.
type metrics struct {
	*bundle
	reason string
}

func (m metrics) WithTags(tags map[string]string) client.MetricsHandler {
	return metrics{m.bundle, cmp.Or(tags["reason"], tags["by"])}
}
func (m metrics) Timer(string) client.MetricsTimer { return client.MetricsNopHandler.Timer("") }
func (m metrics) Counter(string) client.MetricsCounter {
	return counter(m)
}
func (m metrics) Gauge(name string) client.MetricsGauge { return gauge{m.bundle, name} }

type counter metrics

func (c counter) Inc(by int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.repairs[c.reason] += by
}

type gauge struct {
	*bundle
	name string
}

func (g gauge) Update(value float64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gauges[g.name] = value
}

func firstRun(id uuid.UUID) string  { return "run-" + id.String() }
func secondRun(id uuid.UUID) string { return "second-" + id.String() }

// enqueue adds pending items.
func (b *bundle) enqueue(t *testing.T, n int) (ids []uuid.UUID) {
	t.Helper()
	return list[uuid.UUID](t, b.db, `SELECT (sluice.enqueue($1, $2) ->> 'queueId')::uuid FROM generate_series(1, $3)`, b.workspace, b.definition, n)
}

// run adds executions that were dispatched a minute ago, whose slots have their turn. Temporal does not know them.
func (b *bundle) run(t *testing.T, n int) (ids []uuid.UUID) {
	t.Helper()
	ids = b.enqueue(t, n)
	b.exec(t, `
		WITH item AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at,
			claimed_at, dispatched_at, checked_at, trigger_type, enqueued_by, engine_run_id, input)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at,
			now() - interval '1 minute', now() - interval '1 minute', now() - interval '1 minute', trigger_type, enqueued_by, 'run-' || id, input
		FROM item`, ids)
	return ids
}

// end adds executions that have ended by their first run.
func (b *bundle) end(t *testing.T, n int, status string) (ids []uuid.UUID) {
	t.Helper()
	ids = b.run(t, n)
	for _, id := range ids {
		recorded, err := store.RecordOutcome(t.Context(), b.db, store.Outcome{ExecutionID: id, RunID: firstRun(id), Status: status})
		require.NoError(t, err)
		require.True(t, recorded)
	}
	return ids
}

// has gives Temporal a workflow of an execution, and lists it.
func (b *bundle) has(id uuid.UUID, w workflow) *workflow {
	if w.taskQueue == "" {
		w.taskQueue = workflows.WorkspaceTaskQueue(b.workspace)
	}
	b.temporal.mu.Lock()
	defer b.temporal.mu.Unlock()
	b.hasCalled(workflows.ExecutionID(id), &w)
	return &w
}

// hasCalled gives Temporal a workflow of this id, and lists it.
func (b *bundle) hasCalled(workflowID string, w *workflow) {
	b.temporal.workflows[workflowID] = w
	b.temporal.list(w.info(workflowID), time.Now())
}

func (b *bundle) pass(t *testing.T) Report {
	t.Helper()
	report, err := b.Pass(t.Context(), &b.known)
	require.NoError(t, err)
	return report
}

// lookedUntil is how far the passes have looked; zero at first.
func (b *bundle) lookedUntil(t *testing.T) time.Time {
	t.Helper()
	at, err := store.LoadRecoveryState(t.Context(), b.db, 0, time.Hour)
	require.NoError(t, err)
	return at.LookedUntil
}

// status is that of an execution, or of an item that has none.
func (b *bundle) status(t *testing.T, id uuid.UUID) string {
	t.Helper()
	return one[string](t, b.db, `SELECT coalesce(x.status, i.status) FROM sluice.queue_items i LEFT JOIN sluice.executions x ON x.id = i.execution_id WHERE i.id = $1`, id)
}

func (b *bundle) held(t *testing.T) []uuid.UUID {
	t.Helper()
	return list[uuid.UUID](t, b.db, `SELECT id FROM sluice.running ORDER BY id`)
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.db.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func list[T any](t *testing.T, db *pgxpool.Pool, sql string, args ...any) []T {
	t.Helper()
	values, err := store.Values[T](t.Context(), db, sql, args...)
	require.NoError(t, err)
	return values
}

func one[T any](t *testing.T, db *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, db, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}
