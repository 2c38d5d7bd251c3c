package facts_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestOneProcessAtMostHasTheAuditLock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	take := func() *facts.AuditLock {
		lock, err := facts.TakeAuditLock(t.Context(), b.pool)
		require.NoError(t, err)
		return lock
	}
	first := take()
	require.NotNil(t, first)
	require.NoError(t, first.Held(t.Context()))
	require.Nil(t, take(), "another has it")
	first.Release()
	second := take()
	require.NotNil(t, second)

	b.exec(t, `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	require.Error(t, second.Held(t.Context()), "its session has ended")
	third := take()
	require.NotNil(t, third)
	second.Release()
	require.NoError(t, third.Held(t.Context()))
	require.Nil(t, take(), "what another gives back is not ours")
	third.Release()
}

// A role that may only connect can take the lock of that number, and keep it.
func TestARoleThatMayNotChangeTheTablesKeepsNobodyFromAuditing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	role := "app" + strings.ReplaceAll(uuid.NewString(), "-", "")
	b.exec(t, `CREATE ROLE `+role+` LOGIN`)
	defer b.exec(t, `DROP ROLE `+role)
	config := b.pool.Config().ConnConfig.Copy()
	config.User = role
	app, err := pgx.ConnectConfig(t.Context(), config)
	require.NoError(t, err)
	defer app.Close(t.Context())
	_, err = app.Exec(t.Context(), `SELECT pg_advisory_lock(x'511cea0d'::bigint)`)
	require.NoError(t, err)

	first, err := facts.TakeAuditLock(t.Context(), b.pool)
	require.NoError(t, err)
	require.NotNil(t, first)
	defer first.Release()
	require.NoError(t, first.Held(t.Context()))
	require.NoError(t, app.Close(t.Context()))
	second, err := facts.TakeAuditLock(t.Context(), b.pool)
	require.NoError(t, err)
	require.NotNil(t, second)
	defer second.Release()
	require.NoError(t, second.Held(t.Context()))
	require.Error(t, first.Held(t.Context()), "from now on one process audits again")
}
