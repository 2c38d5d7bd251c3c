package schema_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/schema"
)

// owned returns a database whose schema another role than its administrator has migrated, and that role.
func owned(t *testing.T) (databaseURL, owner string) {
	t.Helper()
	databaseURL, owner = devtest.Postgres(t), "owner_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	admin := open(t, databaseURL)
	exec(t, admin, `CREATE ROLE `+owner+` LOGIN`)
	exec(t, admin, `CREATE SCHEMA sluice AUTHORIZATION `+owner)
	_, err := schema.Migrate(t.Context(), as(t, databaseURL, owner))
	require.NoError(t, err)
	return databaseURL, owner
}

const owners = `SELECT string_agg(DISTINCT pg_get_userbyid(c.relowner), ' ') FROM pg_class c WHERE c.relnamespace = 'sluice'::regnamespace`

// Functions act as the owner of the schema, and would have no rights on tables that somebody else made in a later migration.
func TestAllOfTheSchemaBelongsToItsOwnerWhoeverMigrates(t *testing.T) {
	t.Parallel()
	for _, inherits := range []string{"INHERIT", "NOINHERIT"} {
		t.Run(inherits, func(t *testing.T) {
			t.Parallel()
			databaseURL, owner := owned(t)
			admin, member := open(t, databaseURL), "member_"+strings.ReplaceAll(uuid.NewString(), "-", "")
			exec(t, admin, `CREATE ROLE `+member+` LOGIN `+inherits+` IN ROLE `+owner)
			for _, databaseURL := range []string{as(t, databaseURL, member), databaseURL} {
				exec(t, admin, `DROP SCHEMA sluice CASCADE`)
				exec(t, admin, `CREATE SCHEMA sluice AUTHORIZATION `+owner)
				_, err := schema.Migrate(t.Context(), databaseURL)
				require.NoError(t, err)
				require.Equal(t, owner, one[string](t, admin, owners))
			}
		})
	}
}

// Tables of several roles: only an administrator can have migrated so far, and can go on.
func TestAnAdministratorGoesOnWithTablesOfSeveralRoles(t *testing.T) {
	t.Parallel()
	databaseURL, _ := owned(t)
	admin := open(t, databaseURL)
	exec(t, admin, `ALTER VIEW sluice.activity OWNER TO CURRENT_USER`)
	exec(t, admin, `DELETE FROM sluice.schema_migrations WHERE version_id = $1`, schema.Version())
	applied, err := schema.Migrate(t.Context(), databaseURL)
	require.NoError(t, err)
	require.Equal(t, []int64{schema.Version()}, applied)
}

func TestARoleThatMayNotMigrateIsToldWhoMay(t *testing.T) {
	t.Parallel()
	databaseURL, owner := owned(t)
	admin, role := open(t, databaseURL), "stranger_"+strings.ReplaceAll(uuid.NewString(), "-", "")
	exec(t, admin, `CREATE ROLE `+role+` LOGIN`)
	_, err := schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.ErrorContains(t, err, `schema sluice belongs to role "`+owner+`": migrate as that role, or GRANT "`+owner+`" TO "`+role+`"`)
	exec(t, admin, `GRANT `+owner+` TO `+role)
	_, err = schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.NoError(t, err)
	exec(t, admin, `REVOKE `+owner+` FROM `+role)
	exec(t, admin, `DROP SCHEMA sluice CASCADE`)
	_, err = schema.Migrate(t.Context(), as(t, databaseURL, role))
	require.ErrorContains(t, err, `have an administrator run: CREATE SCHEMA sluice AUTHORIZATION "`+role+`"`)
}

func TestASchemaWithTablesOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"another application's": {`CREATE SCHEMA sluice`, `CREATE TABLE sluice.workspaces (id int)`},
		"of a dump without data": {`CREATE SCHEMA sluice`,
			`CREATE TABLE sluice.schema_migrations (id int, version_id bigint, is_applied bool, tstamp timestamp)`, `CREATE TABLE sluice.workspaces (id int)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := devtest.Postgres(t)
			for _, sql := range statements {
				exec(t, open(t, databaseURL), sql)
			}
			for range 2 {
				_, err := schema.Migrate(t.Context(), databaseURL)
				require.ErrorContains(t, err, "schema sluice has tables that no migration has made")
			}
		})
	}
}
