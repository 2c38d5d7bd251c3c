package queue_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
	"sluice/queue"
)

// narrow opens a pool of a role that may enqueue and nothing else.
func (b *bundle) narrow(t *testing.T) (*pgxpool.Pool, string) {
	t.Helper()
	role := "shop_" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12]
	b.exec(t, "CREATE ROLE "+role+" LOGIN")
	_, err := admin.New(b.pool).GrantEnqueue(t.Context(), role, "ann")
	require.NoError(t, err)
	return b.open(t, func(c *pgxpool.Config) {
		u, err := url.Parse(b.url)
		require.NoError(t, err)
		u.User = url.User(role)
		as, err := pgxpool.ParseConfig(u.String())
		require.NoError(t, err)
		c.ConnConfig.User, c.ConnConfig.Password = as.ConnConfig.User, as.ConnConfig.Password
	}), role
}

// One grant is enough for every way in and every number of shards, whether dispatchers wait to be notified or not; it reads nobody's
// items, and errors are those of any other role.
func TestOneGrantIsEnoughToEnqueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, _ := b.narrow(t)
	_, foreign := b.newWorkspace(t, "globex")
	large, keyed := b.item(), b.item()
	large.Input, keyed.UniqueKey = sized(5000), "order-7"
	for shards, listen := range map[int]bool{1: false, 2: true, 5: true} {
		b.exec(t, `UPDATE sluice.settings SET shards = $1`, shards)
		b.exec(t, `TRUNCATE sluice.listeners, sluice.pending, sluice.unique_keys, sluice.inputs`)
		if listen {
			b.exec(t, `INSERT INTO sluice.listeners SELECT n, gen_random_uuid() FROM generate_series(0, $1::int - 1) AS n`, shards)
		}
		q := queue.New(pool) // it has to find out anew that it may not write tables
		_, err := q.EnqueueMany(t.Context(), []queue.Item{b.item(), large, keyed, b.item()})
		require.NoError(t, err)
		q = queue.New(pool)
		for _, item := range []queue.Item{b.item(), large, keyed} {
			answer, err := q.Enqueue(t.Context(), item)
			require.NoError(t, err)
			require.Equal(t, "QUEUED", answer.Status)
		}
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := q.EnqueueTx(t.Context(), tx, large); err != nil {
				return err
			}
			answers, err := q.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), keyed, large})
			require.Len(t, answers, 3)
			return err
		}))
		_, err = pool.Exec(t.Context(), `SELECT sluice.enqueue($1, $2, unique_key => 'order-8')`, b.workspace, b.definition)
		require.NoError(t, err)
		require.Equal(t, 10, b.count(t, "pending"))

		var group errgroup.Group
		for range 40 {
			group.Go(func() error { _, err := q.Enqueue(t.Context(), b.item()); return err })
		}
		require.NoError(t, group.Wait())
		require.Equal(t, 50, b.count(t, "pending"))
		require.Equal(t, 50, one[int](t, b.pool, `SELECT count(DISTINCT id) FROM sluice.pending WHERE enqueued_by = 'shop'`))

		item := b.item()
		item.WorkspaceID = uuid.New()
		_, err = q.Enqueue(t.Context(), item)
		require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
		item = b.item()
		item.DefinitionID = uuid.New()
		_, err = q.EnqueueMany(t.Context(), []queue.Item{b.item(), item})
		require.ErrorIs(t, err, queue.ErrUnknownDefinition)
		require.ErrorContains(t, err, "item 2 of 2")
		item.DefinitionID = foreign
		_, err = q.Enqueue(t.Context(), item)
		require.ErrorIs(t, err, queue.ErrForeignDefinition)
		require.Equal(t, 50, b.count(t, "pending"))
	}
}

// Workflows too, and workspaces where the deployment lets their first enqueue create them: who did it is on record.
func TestOneGrantIsEnoughToEnqueueWorkflows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, role := b.narrow(t)
	q := queue.New(pool)
	answer, err := q.EnqueueWorkflow(t.Context(), queue.Item{WorkspaceID: b.workspace}, client.StartWorkflowOptions{}, "SendInvoice", 7)
	require.NoError(t, err)
	require.Equal(t, "execution-"+answer.QueueID.String(), answer.WorkflowID)
	_, err = pool.Exec(t.Context(), `SELECT sluice.enqueue_workflow($1, 'SendInvoice', args => '[7]'), sluice.task_queue_of($1), sluice.workspace($1::text)`, b.workspace)
	require.NoError(t, err)
	require.Equal(t, 2, b.count(t, "pending"))
	_, err = q.Workspace(t.Context(), "globex")
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)

	b.exec(t, `UPDATE sluice.settings SET auto_create_plan = 'PRO'`)
	id, err := q.Workspace(t.Context(), "globex")
	require.NoError(t, err)
	again, err := q.Workspace(t.Context(), "globex")
	require.NoError(t, err)
	require.Equal(t, id, again)
	own := uuid.New()
	_, err = q.EnqueueWorkflow(t.Context(), queue.Item{WorkspaceID: own}, client.StartWorkflowOptions{TaskQueue: "invoices"}, "SendInvoice", 7)
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.workspaces WHERE id = $1 AND external_key = 'globex' AND plan = 'PRO'`, id))
	require.Equal(t, 2, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'workspace-created' AND actor = 'shop' AND workspace_id IN ($1, $2)`, id, own))
	_, err = pool.Exec(t.Context(), `RESET application_name; SELECT sluice.workspace('initech')`, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'workspace-created' AND (actor = $1 OR details ->> 'externalKey' = 'initech')`, role))
}

func TestItemsOfOneCallKeepTheirOrderUnderTheGrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, _ := b.narrow(t)
	answers, err := queue.New(pool).EnqueueMany(t.Context(), items(b.item(), 300))
	require.NoError(t, err)
	for i := range answers {
		require.True(t, i == 0 || answers[i-1].QueueID.String() < answers[i].QueueID.String())
	}
}

// A role with the grant reads nothing and writes nothing but items, whatever it puts in the way of the functions.
func TestTheGrantReadsAndWritesNothingElse(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secret := b.enqueue(t, queue.Item{WorkspaceID: b.workspace, DefinitionID: b.definition, UniqueKey: "k", Input: sized(100)})
	pool, _ := b.narrow(t)
	for _, sql := range []string{
		`SELECT * FROM sluice.queue_items`, `SELECT * FROM sluice.pending`, `SELECT * FROM sluice.inputs`, `SELECT * FROM sluice.events`,
		`SELECT * FROM sluice.unique_keys`, `SELECT * FROM sluice.workspaces`, `SELECT * FROM sluice.activity`,
		`INSERT INTO sluice.events (freed) VALUES ('{}')`, `DELETE FROM sluice.pending`, `UPDATE sluice.pending SET priority = 1`,
		`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by) VALUES ('` + secret.String() + `', gen_random_uuid(), gen_random_uuid(), 'x')`,
		`SELECT sluice.make_partitions()`, `SELECT sluice.release_key('` + b.workspace.String() + `', 'k')`,
		`SELECT sluice.enqueue_item('` + b.workspace.String() + `', '` + b.definition.String() + `', '{}', 3, NULL, NULL, NULL, NULL, NULL, NULL, false)`,
		`CREATE TEMP TABLE settings (LIKE pg_class); CREATE TRIGGER t AFTER INSERT ON settings FOR EACH ROW EXECUTE FUNCTION sluice.log_limit()`,
		`CREATE TABLE sluice.mine (a int)`, `SELECT sluice.take_turn(0, 'limits', NULL)`,
		`CREATE TEMP TABLE t (workspace_id uuid, quiet boolean); CREATE TRIGGER t AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION sluice.wake_listeners()`,
	} {
		conn, err := pool.Acquire(t.Context())
		require.NoError(t, err)
		_, err = conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
		conn.Release()
		require.ErrorContains(t, err, "permission denied", sql)
	}

	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for _, sql := range []string{ // a session's own schema, and settings, before those of the functions
		`CREATE FUNCTION pg_temp.evil(v pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run as %', current_user; END $$`,
		`CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.evil(VALUE))`,
		`CREATE DOMAIN pg_temp.jsonb AS pg_catalog.jsonb CHECK (pg_temp.evil('x'::pg_catalog.text))`,
		`CREATE TEMP TABLE pg_class (oid oid)`,
		`CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run as %', current_user; END $$`,
		`CREATE FUNCTION pg_temp.octet_length(pg_catalog.text) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run as %', current_user; END $$`,
		`CREATE FUNCTION pg_temp.less(integer, integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run as %', current_user; END $$`,
		`CREATE OPERATOR pg_temp.< (LEFTARG = integer, RIGHTARG = integer, FUNCTION = pg_temp.less)`,
		`SET search_path = pg_temp, pg_catalog, sluice`,
		`SELECT sluice.enqueue('` + b.workspace.String() + `', '` + b.definition.String() + `', unique_key => 'k')`,
		`SELECT sluice.enqueue('` + b.workspace.String() + `', '` + b.definition.String() + `')`,
	} {
		_, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
		require.NoError(t, err, sql)
	}
	require.Equal(t, 2, b.count(t, "pending"))
}
