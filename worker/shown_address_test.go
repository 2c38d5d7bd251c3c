package main

import (
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// What is shown can be given again, once the password is put in.
func TestTheDatabaseThatIsShownIsTheOneThatWasGiven(t *testing.T) {
	t.Parallel()
	for given, shown := range map[string]string{
		"postgres://ann:secret@db.internal:5433/app":                "postgres://ann:xxxxx@db.internal:5433/app",
		"postgres://ann@[::1]/app":                                  "postgres://ann@[::1]:5432/app",
		"postgres://ann:s%2Fe%40t@/app?host=/run/postgresql":        "postgres://ann:xxxxx@/app?host=%2Frun%2Fpostgresql&port=5432",
		"postgres://ann@%2Fvar%2Frun%2Fpostgresql:5433/app":         "postgres://ann@/app?host=%2Fvar%2Frun%2Fpostgresql&port=5433",
		"host=/run/pg%41 port=5433 user=ann dbname='my app'":        "postgres://ann@/my%20app?host=%2Frun%2Fpg%2541&port=5433",
		"postgres://ann@/app?host=/run/postgresql&pool_max_conns=3": "postgres://ann@/app?host=%2Frun%2Fpostgresql&port=5432",
	} {
		want, err := pgx.ParseConfig(given)
		require.NoError(t, err, given)
		require.Equal(t, shown, withoutPassword(want))
		_, err = url.Parse(shown)
		require.NoError(t, err)
		got, err := pgx.ParseConfig(shown)
		require.NoError(t, err, shown)
		require.Equal(t, []any{want.Host, want.Port, want.User, want.Database}, []any{got.Host, got.Port, got.User, got.Database}, given)
	}
}
