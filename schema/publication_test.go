package schema_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// A publication refuses updates and deletes of a table that does not tell which row it is.
func TestEveryTableCanBePublished(t *testing.T) {
	t.Parallel()
	db := open(t, devtest.Postgres(t))
	_, err := schema.Migrate(t.Context(), db.Config().ConnString())
	require.NoError(t, err)
	exec(t, db, `CREATE PUBLICATION everything FOR ALL TABLES`)
	// Of the log, also the partitions that are made later.
	exec(t, db, `DO $$ DECLARE x text; BEGIN FOR x IN SELECT name FROM sluice.partitions WHERE parent = 'activity_log' LOOP EXECUTE 'DROP TABLE sluice.' || x; END LOOP; END $$`)
	exec(t, db, `DELETE FROM sluice.partitions WHERE parent = 'activity_log'`)
	require.NotZero(t, one[int](t, db, `SELECT sluice.make_partitions()`))
	exec(t, db, `INSERT INTO sluice.activity_log (actor, action) VALUES ('ann', 'paused')`)
	tables := list[string](t, db, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`)
	require.Greater(t, len(tables), 20)
	for _, table := range tables {
		column := one[string](t, db, `SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1`, table)
		tx, err := db.Begin(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		_, err = tx.Exec(t.Context(), `SET LOCAL session_replication_role TO replica`) // a definition's version refuses to be changed
		require.NoError(t, err)
		if column != "id" || table != "sluice.limit_changes" && table != "sluice.schema_migrations" { // these are GENERATED ALWAYS
			_, err = tx.Exec(t.Context(), `UPDATE `+table+` SET `+column+` = `+column)
			require.NoError(t, err, table)
		}
		_, err = tx.Exec(t.Context(), `DELETE FROM `+table)
		require.NoError(t, err, table)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

// A transaction that is prepared may not have notified anybody.
func TestATransactionThatIsPreparedEnqueues(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen(t)
	exec(t, b.db, `INSERT INTO sluice.listeners (shard, token) VALUES (0, gen_random_uuid())`)
	begin := func() pgx.Tx {
		tx, err := b.db.Begin(t.Context())
		require.NoError(t, err)
		t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
		return tx
	}
	tx := begin()
	_, err := tx.Exec(t.Context(), `SET LOCAL sluice.notify = off`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Empty(t, l.heard(t), "nobody was notified, so it could have been prepared")
	require.Equal(t, 1, one[int](t, b.db, `SELECT count(*) FROM sluice.events WHERE item_id IS NOT NULL`), "the dispatcher finds it by itself")

	tx = begin()
	_, err = tx.Exec(t.Context(), `SELECT sluice.enqueue($1, $2)`, b.workspace, b.definition)
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NotEmpty(t, l.heard(t), "it held for one transaction")
}
