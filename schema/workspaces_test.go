package schema_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestAWorkspaceIsNamedByItsKeyOrItsID(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.workspaces SET external_key = 'acme' WHERE id = $1`, b.workspace)
	for _, key := range []string{"acme", b.workspace.String(), strings.ToUpper(b.workspace.String())} {
		require.Equal(t, b.workspace, one[uuid.UUID](t, b.db, `SELECT sluice.workspace($1)`, key))
	}
	for key, message := range map[string]string{"Acme": `unknown workspace "Acme"`, "": `unknown workspace ""`, "a\nb": `unknown workspace "a\nb"`} {
		require.Equal(t, message, requireRefused(t, b.db, "SL001", `SELECT sluice.workspace($1)`, key).Message)
	}
	require.Equal(t, "unknown workspace NULL", requireRefused(t, b.db, "SL001", `SELECT sluice.workspace(NULL)`).Message)
	unknown := uuid.NewString()
	require.Equal(t, "unknown workspace "+unknown, requireRefused(t, b.db, "SL001", `SELECT sluice.workspace($1)`, unknown).Message)
	requireRefused(t, b.db, "SL001", `SELECT sluice.workspace($1)`, strings.Repeat("x", 100_000))
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.workspaces`))
}

func TestWorkspacesAreCreatedByTheirFirstEnqueueWhereThatIsAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	id := uuid.New()
	exec(t, b.db, `SELECT sluice.enqueue_workflow($1, 'Bill')`, id)
	require.Equal(t, id.String()+" FREE", one[string](t, b.db, `SELECT concat_ws(' ', name, plan, external_key) FROM sluice.workspaces WHERE id = $1`, id))
	exec(t, b.db, `SELECT sluice.enqueue_workflow(sluice.workspace('globex'), 'Bill')`)
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.pending p JOIN sluice.workspaces w ON w.id = p.workspace_id WHERE w.external_key = 'globex' AND w.plan = 'FREE'`))
	for _, bad := range []string{"", " globex", "a\x1bb", strings.Repeat("x", 201), "\u202eacme"} {
		require.Contains(t, requireRefused(t, b.db, "SL011", `SELECT sluice.workspace($1)`, bad).Message, "a workspace key must have 1 to 200 characters")
	}
	requireRefused(t, b.db, "SL001", `SELECT sluice.enqueue_workflow(NULL, 'Bill')`)

	_, err := b.db.Exec(t.Context(), `DO $$ BEGIN PERFORM sluice.enqueue_workflow(sluice.workspace('initech'), 'Bill'); RAISE EXCEPTION 'not placed'; END $$`)
	require.ErrorContains(t, err, "not placed")
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.workspaces WHERE external_key = 'initech'`), "it was rolled back")
	requireRefused(t, b.db, "SL013", `SELECT sluice.enqueue_workflow(sluice.workspace('hooli'), 'Execution')`)
	require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM sluice.workspaces WHERE external_key = 'hooli'`), "so was what a refused enqueue created")
}

// What is addressed to a workspace by its id reaches no other that has the id for its key.
func TestAKeyIsNoIDOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := one[uuid.UUID](t, b.db, `INSERT INTO sluice.workspaces (name) VALUES ('other') RETURNING id`)
	id := strings.ToUpper(b.workspace.String())
	for _, sql := range []string{`UPDATE sluice.workspaces SET external_key = $1 WHERE id = '` + other.String() + `'`, `INSERT INTO sluice.workspaces (name, external_key) VALUES ('third', $1)`} {
		require.Equal(t, "a workspace key must not read as the id of a workspace, as "+id+" does", requireRefused(t, b.db, "SL011", sql, id).Message)
	}
	unknown := uuid.NewString()
	exec(t, b.db, `ALTER TABLE sluice.workspaces DISABLE TRIGGER key_is_no_id`) // as before there was one
	exec(t, b.db, `UPDATE sluice.workspaces SET external_key = $2 WHERE id = $1`, other, id)
	require.Equal(t, b.workspace, one[uuid.UUID](t, b.db, `SELECT sluice.workspace($1)`, id))
	exec(t, b.db, `UPDATE sluice.workspaces SET external_key = $2 WHERE id = $1`, other, unknown)
	require.Equal(t, other, one[uuid.UUID](t, b.db, `SELECT sluice.workspace($1)`, unknown), "a key that is nobody's id goes on naming its workspace")
	exec(t, b.db, `ALTER TABLE sluice.workspaces ENABLE TRIGGER key_is_no_id; UPDATE sluice.workspaces SET plan = 'PRO' WHERE external_key IS NOT NULL`)
}

// Sessions that meet a workspace for the first time at once make one of it; under a stricter isolation they may have to try again.
func TestAWorkspaceIsCreatedOnceByManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	exec(t, b.db, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.Serializable} {
		id, key := uuid.New(), "tenant "+string(level)
		var sessions errgroup.Group
		for range 8 {
			sessions.Go(func() error {
				for {
					err := pgx.BeginTxFunc(t.Context(), b.db, pgx.TxOptions{IsoLevel: level}, func(tx pgx.Tx) error {
						if _, err := tx.Exec(t.Context(), `SELECT sluice.enqueue_workflow($1, 'Bill')`, id); err != nil {
							return err
						}
						_, err := tx.Exec(t.Context(), `SELECT sluice.enqueue_workflow(sluice.workspace($1), 'Bill')`, key)
						return err
					})
					if level == pgx.Serializable && err != nil && strings.Contains(err.Error(), "SQLSTATE 40001") {
						continue
					}
					return err
				}
			})
		}
		require.NoError(t, sessions.Wait())
		require.Equal(t, 8, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE workspace_id = $1`, id))
		require.Equal(t, 8, one[int](t, b.db, `SELECT count(*) FROM sluice.pending p JOIN sluice.workspaces w ON w.id = p.workspace_id WHERE w.external_key = $1`, key))
	}
	require.Equal(t, 5, one[int](t, b.db, `SELECT count(*) FROM sluice.workspaces`))
}

// A role that may enqueue can do just that: it creates no workspace unless the deployment allows it, reads nothing, and what it has in its
// temporary schema runs with nobody's rights but its own.
func TestARoleThatMayEnqueueWorkflowsMayDoNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := "shop_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	exec(t, b.db, `CREATE ROLE `+role+`; GRANT USAGE ON SCHEMA sluice TO `+role)
	exec(t, b.db, `GRANT EXECUTE ON FUNCTION sluice.enqueue_workflow, sluice.workspace, sluice.check_workspace, sluice.task_queue_of TO `+role)
	config := b.db.Config().Copy()
	config.ConnConfig.RuntimeParams["role"] = role
	config.MaxConns = 1
	as, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(as.Close)

	exec(t, as, `SELECT sluice.enqueue_workflow($1, 'Bill')`, b.workspace)
	requireRefused(t, as, "SL001", `SELECT sluice.enqueue_workflow($1, 'Bill')`, uuid.New())
	requireRefused(t, as, "SL001", `SELECT sluice.check_workspace($1)`, uuid.New())
	requireRefused(t, as, "SL001", `SELECT sluice.workspace('globex')`)
	for _, sql := range []string{
		`SELECT * FROM sluice.pending`, `SELECT * FROM sluice.inputs`, `SELECT * FROM sluice.workspaces`, `SELECT * FROM sluice.queue_items`, `SELECT * FROM sluice.settings`,
		`SELECT sluice.workflow_id_of(gen_random_uuid())`,
		`SELECT sluice.enqueue_item('` + b.workspace.String() + `', NULL, '{}', 3, NULL, NULL, NULL, NULL, NULL, NULL, false, 'Execution', 'workflows.default')`,
		`INSERT INTO sluice.pending (id) VALUES (gen_random_uuid())`, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`,
	} {
		requireRefused(t, as, "42501", sql)
	}
	exec(t, as, `CREATE FUNCTION pg_temp.evil(v pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$`)
	for _, name := range []string{"text", "integer", "jsonb", "bigint", "bytea"} {
		exec(t, as, `CREATE DOMAIN pg_temp.`+name+` AS pg_catalog.text CHECK (pg_temp.evil(VALUE))`)
	}
	exec(t, as, `CREATE FUNCTION pg_temp.replace(a pg_catalog.text, b pg_catalog.text, c pg_catalog.text) RETURNS pg_catalog.text LANGUAGE sql AS $$ SELECT 'workflows.default'::pg_catalog.text $$`)
	exec(t, as, `SET search_path = pg_temp, pg_catalog`)
	exec(t, as, `SELECT sluice.enqueue_workflow($1::pg_catalog.uuid, 'Bill'::pg_catalog.text)`, b.workspace)
	require.Equal(t, 2, one[int](t, b.db, `SELECT count(*) FROM sluice.pending WHERE task_queue = 'workflow.workspace.' || workspace_id`))

	exec(t, as, `RESET search_path`)
	exec(t, b.db, `UPDATE sluice.settings SET auto_create_plan = 'FREE'`)
	exec(t, as, `SELECT sluice.enqueue_workflow(sluice.workspace('globex'), 'Bill')`)
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.activity a JOIN sluice.workspaces w ON w.id = a.workspace_id WHERE w.external_key = 'globex' AND a.action = 'workspace-created'`))

	// What it says of itself is kept for ever, and shown to operators.
	for _, actor := range []string{strings.Repeat("x", 201), "ann\x1b[2J", "\u202egnp"} {
		exec(t, as, `SELECT set_config('sluice.actor', $1, false)`, actor)
		requireRefused(t, as, "23514", `SELECT sluice.enqueue_workflow(sluice.workspace('initech'), 'Bill')`)
	}
	exec(t, as, `SELECT set_config('sluice.actor', 'shop', false)`)
	exec(t, as, `SELECT sluice.enqueue_workflow(sluice.workspace('initech'), 'Bill')`)
}
