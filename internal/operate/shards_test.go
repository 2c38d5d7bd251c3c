package operate_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

func openShards(t *testing.T, c client.Client) []int {
	t.Helper()
	open, err := operate.OpenShards(t.Context(), c, nil)
	require.NoError(t, err)
	return open
}

func TestAMessageGoesToAllShards(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	db := newDatabase(t).pool
	operatetest.Worker(t, c)
	for _, shard := range []int{0, 2, catalog.MaxShards - 1} { // as found after some have ended
		_, err := operate.Start(t.Context(), c, namespace, db, workflows.State{Shard: shard})
		require.NoError(t, err)
	}
	require.Equal(t, []int{0, 2, 63}, openShards(t, c))
	all, err := operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.NoError(t, err)
	require.Len(t, all, 3)
	for i, shard := range []int{0, 2, 63} {
		require.Equal(t, shard, all[i].Shard)
		require.NotNil(t, all[i].Pause)
	}
	_, err = operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.ErrorIs(t, err, operate.ErrRefused)

	// One that has come to it later is paused with the others.
	_, err = operate.Start(t.Context(), c, namespace, db, workflows.State{Shard: 1})
	require.NoError(t, err)
	all, err = operate.Pause(t.Context(), c, nil, workflows.PauseRequest{Actor: actor})
	require.NoError(t, err)
	require.Len(t, all, 4)
	for _, status := range all {
		require.NotNil(t, status.Pause)
	}
	require.NoError(t, operate.Stop(t.Context(), c, nil, workflows.StopRequest{Actor: actor}, operate.StopOptions{}))
	require.Empty(t, openShards(t, c))
}

// Whatever numbers are started with at the same time: afterwards each of the shards that are stored has a dispatcher.
func TestConcurrentStartsWithDifferentNumbers(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	operatetest.Worker(t, c)
	db := newDatabase(t).pool
	done := make(chan error, 12)
	for i := range cap(done) {
		go func() {
			_, err := operate.StartAll(t.Context(), c, namespace, db, operate.StartOptions{Shards: 1 + i%4, Actor: actor})
			done <- err
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	n, err := catalog.Shards(t.Context(), db)
	require.NoError(t, err)
	require.Subset(t, openShards(t, c), []int{0, 1, 2, 3}[:n])
	all, err := operate.StartAll(t.Context(), c, namespace, db, operate.StartOptions{Actor: actor})
	require.NoError(t, err)
	require.Len(t, all.Dispatchers, n)
	for _, started := range all.Dispatchers {
		require.True(t, started.AlreadyRunning)
	}
}

func TestARefusedStartChangesNothing(t *testing.T) {
	t.Parallel()
	c, namespace := dial(t)
	operatetest.Worker(t, c)
	db := newDatabase(t).pool
	tooMany, negative := catalog.MaxShards+1, -1
	for name, o := range map[string]operate.StartOptions{
		"too many":  {Shards: tooMany},
		"too few":   {Shards: negative},
		"batchsize": {Shards: 2, Tunables: workflows.ConfigureRequest{BatchSize: &negative}},
	} {
		_, err := operate.StartAll(t.Context(), c, namespace, db, o)
		require.True(t, errors.Is(err, store.ErrInvalid) || errors.Is(err, operate.ErrRefused), "%s: %v", name, err)
	}
	require.Empty(t, openShards(t, c))
	n, err := catalog.Shards(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, 1, n)
}
