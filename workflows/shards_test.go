package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDispatcherOfShardZeroKeepsItsName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "sluice-dispatcher", ShardID(0))
	require.Equal(t, "sluice-dispatcher/7", ShardID(7))
}

func TestADispatcherWhoseShardIsGoneEndsAndClaimsNothing(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, shards: 2}
	env := newEnv(t, f)
	env.ExecuteWorkflow(DispatcherType, State{Shard: 2})
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError(), "it completes and does not begin anew")
	require.Len(t, f.retired, 1)
	require.Zero(t, f.started)
	require.Empty(t, f.waits)
}

// A dispatcher that has claimed and got no answer leaves its claims to their new owners.
func TestADispatcherRetiresWithClaimsInHand(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, shards: 3, leave: 5}
	f.onDispatch = func(int) { f.shards = 2 }
	env := newEnv(t, f)
	env.ExecuteWorkflow(DispatcherType, State{Shard: 2})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 5, f.claimed)
	require.Len(t, f.retired, 1)
}

// The shard has come back between the look and the last word: the command that has started dispatchers meanwhile counts on this one.
func TestADispatcherGoesOnWhenItsShardHasComeBack(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{pending: 5, slots: 5, shards: 2}
	f.onRetire = func() { f.shards = 3 }
	drain(t, f, State{Shard: 2})
	require.Equal(t, 5, f.started)
	require.Empty(t, f.retired)
}

func TestADispatcherRetiresOnlyWhenItHasAnAnswer(t *testing.T) {
	t.Parallel()
	f := &fakeQueue{shards: 1, fail: map[string]int{ActivityRetire: 7}}
	env := newEnv(t, f)
	env.ExecuteWorkflow(DispatcherType, State{Shard: 1})
	require.NoError(t, env.GetWorkflowError(), "it tries again until it has an answer")
	require.Zero(t, f.fail[ActivityRetire])
}
