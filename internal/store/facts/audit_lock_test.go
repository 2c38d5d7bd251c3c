package facts_test

import (
	"testing"

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
