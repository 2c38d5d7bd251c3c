package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What acts as the owner of the schema is for those to call to whom it was granted, and runs no code of its caller: a type of
// the session's temporary schema is found last.
func TestFunctionsThatActAsTheOwnerAreSafe(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := list[string](t, b.db, `SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'sluice'::regnamespace AND p.prosecdef`)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Zero(t, one[int](t, b.db, `SELECT count(*) FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
			WHERE p.oid = $1::text::regprocedure AND a.grantee = 0`, name), "%s may be called by everybody", name)
		require.True(t, strings.HasSuffix(one[string](t, b.db, `SELECT s FROM pg_proc p CROSS JOIN LATERAL unnest(p.proconfig) AS s
			WHERE p.oid = $1::text::regprocedure AND s LIKE 'search_path=%'`, name), "pg_temp"), "%s looks into the session's temporary schema first", name)
	}
	conn, err := b.db.Acquire(t.Context()) // what is temporary is a session's own
	require.NoError(t, err)
	defer conn.Release()
	for _, sql := range []string{
		`CREATE FUNCTION pg_temp.evil(v pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it was run'; END $$`,
		`CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.evil(VALUE))`,
		`SELECT sluice.make_partitions()`,
		`DROP DOMAIN pg_temp.text`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
}
