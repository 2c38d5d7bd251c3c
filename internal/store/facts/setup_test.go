package facts_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/schema"
)

// bundle is a migrated database with one workspace and one definition in it. The tests move its items from table to table.
type bundle struct {
	pool                  *pgxpool.Pool
	workspace, definition uuid.UUID // on plan STARTER
}

const starterLimit = 5

func setup(t *testing.T) *bundle {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bundle{pool: pool}
	b.workspace, b.definition = b.newWorkspace(t, "acme", "STARTER")
	return b
}

// newWorkspace creates a workspace with one definition.
func (b *bundle) newWorkspace(t *testing.T, name, plan string) (workspace, definition uuid.UUID) {
	t.Helper()
	workspace = one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name, plan) VALUES ($1, $2) RETURNING id`, name, plan)
	definition = one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, workspace)
	b.exec(t, `INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{}')`, definition)
	return workspace, definition
}

// item is what a test says of an item that it enqueues.
type item struct {
	workspace, definition uuid.UUID
	priority              int
	in                    time.Duration // until it is available
}

func (b *bundle) item() item { return item{b.workspace, b.definition, 3, 0} }

func (b *bundle) enqueue(t *testing.T, i item) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, b.pool, `
		INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by, input)
		VALUES (sluice.uuid_v7(), $1, $2, $3, now() + $4::interval, 'shop', '{}') RETURNING id`, i.workspace, i.definition, i.priority, i.in)
}

// enqueueN enqueues n plain items, one after the other.
func (b *bundle) enqueueN(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.enqueue(t, b.item())
	}
	return ids
}

// claim takes pending items.
func (b *bundle) claim(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH taken AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_version_id, priority, attempt_count, turn,
			created_at, available_at, claimed_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT t.id, t.workspace_id, t.workflow_definition_id,
			(SELECT v.id FROM sluice.workflow_definition_versions v WHERE v.workflow_definition_id = t.workflow_definition_id), t.priority, t.attempt_count, 1,
			t.created_at, t.available_at, clock_timestamp(), t.expires_at, t.unique_key, t.trigger_type, t.enqueued_by, t.input FROM taken t`, ids)
}

// dispatch notes that claimed items were started.
func (b *bundle) dispatch(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	b.exec(t, `UPDATE sluice.running SET dispatched_at = clock_timestamp(), engine_run_id = 'run-' || id WHERE id = ANY ($1)`, ids)
}

// run takes pending items all the way to DISPATCHED.
func (b *bundle) run(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	b.claim(t, ids...)
	b.dispatch(t, ids...)
}

// end ends executions.
func (b *bundle) end(t *testing.T, status string, ids ...uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH gone AS (DELETE FROM sluice.running WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, workflow_version_id, status, priority, attempt_count,
			created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id, input, output)
		SELECT id, workspace_id, workflow_definition_id, workflow_version_id, $2, priority, attempt_count,
			created_at, available_at, claimed_at, coalesce(dispatched_at, claimed_at), clock_timestamp(), trigger_type, enqueued_by,
			coalesce(engine_run_id, 'run-' || id), input, '{"done": true}' FROM gone`, ids, status)
}

// cancel ends pending items.
func (b *bundle) cancel(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, error, priority, attempt_count,
			created_at, available_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, 'CANCELLED', 'cancelled', 'ann', '{"message": "no longer wanted"}', priority, attempt_count,
			created_at, available_at, trigger_type, enqueued_by, input FROM gone`, ids)
}

func (b *bundle) setLimit(t *testing.T, plan string, limit int) {
	t.Helper()
	b.exec(t, `UPDATE sluice.tiers SET max_concurrent_workflows = $2 WHERE plan = $1`, plan, limit)
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func list[T any](t *testing.T, db store.DB, sql string, args ...any) []T {
	t.Helper()
	values, err := store.Values[T](t.Context(), db, sql, args...)
	require.NoError(t, err)
	return values
}

func one[T any](t *testing.T, db store.DB, sql string, args ...any) T {
	t.Helper()
	values := list[T](t, db, sql, args...)
	require.Len(t, values, 1)
	return values[0]
}

func idsOf(views []facts.View) (ids []uuid.UUID) {
	for _, v := range views {
		ids = append(ids, v.ID)
	}
	return ids
}

// planNode is a node of a plan as EXPLAIN (ANALYZE, FORMAT json) tells it.
type planNode struct {
	RelationName string     `json:"Relation Name"`
	ActualRows   float64    `json:"Actual Rows"`
	ActualLoops  float64    `json:"Actual Loops"`
	Filtered     float64    `json:"Rows Removed by Filter"`
	Rechecked    float64    `json:"Rows Removed by Index Recheck"`
	Plans        []planNode `json:"Plans"`
}

// read is how many rows a statement reads of each relation, and of which it reads any: planned for these arguments, or with
// the plan that is kept for all.
func (b *bundle) read(t *testing.T, mode, sql string, args ...any) map[string]float64 {
	t.Helper()
	rows := map[string]float64{}
	b.explain(t, mode, sql, args...).walk(func(n planNode) {
		if n.RelationName != "" && n.ActualLoops > 0 {
			rows[n.RelationName] += (n.ActualRows + n.Filtered + n.Rechecked) * n.ActualLoops // averages are rounded
		}
	})
	return rows
}

// walk visits the node and all below it.
func (n planNode) walk(visit func(planNode)) {
	visit(n)
	for _, child := range n.Plans {
		child.walk(visit)
	}
}

// explain runs a statement, planned for these arguments or with the plan that is kept for all, and returns the plan.
func (b *bundle) explain(t *testing.T, mode, sql string, args ...any) planNode {
	t.Helper()
	conn, err := b.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	prepared, err := conn.Conn().Prepare(t.Context(), "explained", sql)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Conn().Deallocate(t.Context(), "explained")) }()
	values := make([]string, len(args))
	for i, arg := range args {
		text, err := conn.Conn().TypeMap().Encode(prepared.ParamOIDs[i], pgtype.TextFormatCode, arg, []byte{}) // nil stands for NULL
		require.NoError(t, err)
		if values[i] = "NULL"; text != nil {
			values[i] = "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
		}
	}
	_, err = conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
	require.NoError(t, err)
	defer func() {
		_, err := conn.Exec(t.Context(), `RESET plan_cache_mode`)
		require.NoError(t, err)
	}()
	raw := one[json.RawMessage](t, conn, `EXPLAIN (ANALYZE, FORMAT json) EXECUTE explained (`+strings.Join(values, ", ")+`)`, pgx.QueryExecModeSimpleProtocol)
	var plans []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal(raw, &plans))
	return plans[0].Plan
}

// The ways to plan a statement.
const (
	custom  = "force_custom_plan"
	generic = "force_generic_plan"
)
