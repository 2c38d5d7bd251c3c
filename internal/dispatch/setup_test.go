package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// world is a migrated database with one workspace on plan STARTER, five slots, and a process that dispatches.
type world struct {
	*process
	t          testing.TB
	url        string
	app        *pgxpool.Pool
	workspace  uuid.UUID
	definition uuid.UUID
}

// process is one of those that do the steps of a dispatcher's run.
type process struct {
	t       testing.TB
	pool    *pgxpool.Pool
	engines *dispatch.Engines
	*dispatch.Engine
	shard int
	run   int64
}

const starterLimit = 5

const (
	patience = time.Minute // for a busy machine; what goes well does not wait
	// aWhile is for what holds for a time, and is looked at before and after it: a busy machine may stand still for seconds in between.
	aWhile = 5 * time.Second
)

func setup(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, url: devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})}
	var err error
	w.app, err = pgxpool.New(t.Context(), w.url+"&pool_max_conns=20")
	require.NoError(t, err)
	t.Cleanup(w.app.Close)
	w.process = w.newProcess()
	w.takeOver("run")
	w.workspace, w.definition = w.newWorkspace("STARTER")
	return w
}

// newProcess is another process of the same run.
func (w *world) newProcess() *process {
	w.t.Helper()
	pool, err := store.Open(w.t.Context(), w.url, 10)
	require.NoError(w.t, err)
	w.t.Cleanup(pool.Close)
	p := &process{t: w.t, pool: pool, engines: dispatch.New(pool)}
	p.Engine = p.engines.Of(0)
	if w.process != nil {
		p.run = w.run
	}
	return p
}

// of is the same process at the work of another shard.
func (p *process) of(shard int) *process {
	other := *p
	other.shard, other.Engine = shard, p.engines.Of(shard)
	other.takeOver("run of another shard")
	return &other
}

func (p *process) takeOver(run string) {
	p.t.Helper()
	turn, err := store.TakeOver(p.t.Context(), p.pool, p.shard, run, 0)
	require.NoError(p.t, err)
	p.run = turn
}

func (w *world) newWorkspace(plan string) (workspace, definition uuid.UUID) {
	w.t.Helper()
	workspace, definition = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	w.exec(`INSERT INTO sluice.workspaces (id, name, plan) VALUES ($1, 'acme', $2)`, workspace, plan)
	w.exec(`INSERT INTO sluice.workflow_definitions (id, workspace_id, name) VALUES ($1, $2, 'greet')`, definition, workspace)
	w.exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{"nodes": []}')`, definition)
	return workspace, definition
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.app.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
}

func one[T any](w *world, sql string, args ...any) (value T) {
	w.t.Helper()
	require.NoError(w.t, w.app.QueryRow(w.t.Context(), sql, args...).Scan(&value))
	return value
}

// enqueue enqueues an item of the first workspace.
func (w *world) enqueue() uuid.UUID { return w.enqueueFor(w.workspace, w.definition, 3) }

func (w *world) enqueueN(n int) (ids []uuid.UUID) {
	for range n {
		ids = append(ids, w.enqueue())
	}
	return ids
}

func (w *world) enqueueFor(workspace, definition uuid.UUID, priority int) uuid.UUID {
	w.t.Helper()
	return one[uuid.UUID](w, `SELECT (sluice.enqueue($1, $2, '{"n": 1}', $3) ->> 'queueId')::uuid`, workspace, definition, priority)
}

// plan plans a batch.
func (p *process) plan(batch int) dispatch.Outlook {
	p.t.Helper()
	outlook, err := p.Plan(p.t.Context(), p.run, batch)
	require.NoError(p.t, err)
	return outlook
}

// claim claims what was planned.
func (p *process) claim() dispatch.Claimed {
	p.t.Helper()
	claimed, err := p.Claim(p.t.Context(), p.run)
	require.NoError(p.t, err)
	return claimed
}

// begin returns the ids of what is claimed and not started.
func (p *process) begin() (ids []uuid.UUID) {
	p.t.Helper()
	executions, err := p.Begin(p.t.Context(), p.run, 1000)
	require.NoError(p.t, err)
	for _, x := range executions {
		ids = append(ids, x.ID)
	}
	return ids
}

// cycle plans, claims and hands over.
func (p *process) cycle(batch int) []uuid.UUID {
	p.t.Helper()
	if p.plan(batch).Items > 0 {
		p.claim()
	}
	return p.begin()
}

// hear makes a process know what others have done.
func (p *process) hear() {
	p.t.Helper()
	_, err := p.Watch(p.t.Context(), time.Now())
	require.NoError(p.t, err)
}

// end records that executions have completed, as another process does.
func (w *world) end(ids ...uuid.UUID) {
	w.t.Helper()
	for _, id := range ids {
		ended, err := store.RecordOutcome(w.t.Context(), w.app, store.Outcome{ExecutionID: id, RunID: "r", Status: "COMPLETED"})
		require.NoError(w.t, err)
		require.True(w.t, ended)
	}
}

func (w *world) running() int { return one[int](w, `SELECT count(*) FROM sluice.running`) }
