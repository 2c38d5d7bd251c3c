package schema_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/schema"
)

// enqueuer returns a session of a role that may enqueue and nothing else.
func (b *bundle) enqueuer(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	role := "app" + strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t, b.db, `CREATE ROLE `+role)
	t.Cleanup(func() {
		_, err := b.db.Exec(ctx, `DROP OWNED BY `+role+`; DROP ROLE `+role)
		require.NoError(t, err)
	})
	exec(t, b.db, `GRANT USAGE ON SCHEMA sluice TO `+role)
	exec(t, b.db, `GRANT EXECUTE ON FUNCTION sluice.enqueue, sluice.enqueue_workflow, sluice.workspace, sluice.check_workspace, sluice.task_queue_of TO `+role)
	conn, err := pgx.Connect(ctx, b.db.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	_, err = conn.Exec(ctx, `SET ROLE `+role)
	require.NoError(t, err)
	return conn
}

// A worker whose role lacks a right would start, and dispatch nothing.
func TestARoleThatMayNotDoWhatAWorkerDoesIsToldWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := b.enqueuer(t)
	require.ErrorIs(t, schema.Check(t.Context(), app), schema.ErrForbidden)
	err := schema.CheckWorker(t.Context(), app)
	require.ErrorIs(t, err, schema.ErrForbidden)
	require.ErrorContains(t, err, "and more")

	var role string
	require.NoError(t, app.QueryRow(t.Context(), `SELECT current_user::text`).Scan(&role))
	exec(t, b.db, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sluice TO `+role)
	exec(t, b.db, `GRANT EXECUTE ON FUNCTION sluice.make_partitions(), sluice.drop_partition(text), sluice.release_key TO `+role)
	require.NoError(t, schema.Check(t.Context(), app))
	require.NoError(t, schema.CheckWorker(t.Context(), app))

	exec(t, b.db, `ALTER TABLE sluice.pending ENABLE ROW LEVEL SECURITY`)
	require.ErrorContains(t, schema.CheckWorker(t.Context(), app), "sluice.pending (row security)", "what waits is hidden from it")
	exec(t, b.db, `ALTER TABLE sluice.pending DISABLE ROW LEVEL SECURITY`)

	exec(t, b.db, `REVOKE UPDATE ON sluice.allotments FROM `+role)
	exec(t, b.db, `REVOKE EXECUTE ON FUNCTION sluice.drop_partition(text) FROM `+role)
	require.EqualError(t, schema.CheckWorker(t.Context(), app), fmt.Sprintf(
		"role %q may not use all of a worker's: sluice.allotments, sluice.drop_partition(text); %v", role, schema.ErrForbidden))
}

// A role that may only connect can take an advisory lock of any number, and keep it.
func TestARoleThatMayEnqueueHoldsUpNoChange(t *testing.T) {
	t.Parallel()
	b := setup(t)
	app := b.enqueuer(t)
	_, err := app.Exec(t.Context(), `SELECT pg_advisory_lock(n) FROM generate_series(5350, 5360) AS n`)
	require.NoError(t, err)

	exec(t, b.db, `UPDATE sluice.tiers SET weight = 9 WHERE plan = 'FREE'`)
	exec(t, b.db, `UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 9`)
	exec(t, b.db, `SELECT sluice.set_allotments(9, '{1,0}')`)
	exec(t, b.db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT name FROM sluice.partitions LOOP EXECUTE 'DROP TABLE sluice.' || x; END LOOP; END $$`)
	exec(t, b.db, `DELETE FROM sluice.partitions`)
	require.NotZero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))

	for _, table := range list[string](t, b.db, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p')`) {
		_, err := app.Exec(t.Context(), `DO $$ BEGIN LOCK TABLE `+table+` IN ACCESS SHARE MODE NOWAIT; END $$`)
		require.ErrorContains(t, err, "permission denied", table)
	}
}

// Changes take their turns one after the other, by a lock that is held before a turn is.
func TestWhoeverKeepsChangesWaitingIsNamed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Nil(t, one[*string](t, b.db, `SELECT sluice.turn_holder()`))
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `LOCK TABLE sluice.allotments IN SHARE UPDATE EXCLUSIVE MODE`)
	require.NoError(t, err)
	refused := requireRefused(t, b.db, "SL009", `UPDATE sluice.tiers SET weight = 9 WHERE plan = 'FREE'`)
	require.Contains(t, refused.Message, fmt.Sprintf("the turn is held by process %d (", tx.Conn().PgConn().PID()))
}

// One session makes partitions; another that would make them too goes on with what else it has to do.
func TestPartitionsAreMadeByOneSessionAtATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT name FROM sluice.partitions LOOP EXECUTE 'DROP TABLE sluice.' || x; END LOOP; END $$`)
	exec(t, b.db, `DELETE FROM sluice.partitions`)
	tx, err := b.db.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	_, err = tx.Exec(t.Context(), `SELECT sluice.make_partitions()`)
	require.NoError(t, err)
	require.Zero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))
	require.NoError(t, tx.Rollback(t.Context()))
	require.NotZero(t, one[int](t, b.db, `SELECT sluice.make_partitions()`))
}
