package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/workflows"
)

// shards changes how many there are, as starter start --shards does. It may be repeated: a busy server may answer late.
func (s *stack) shards(n int) (all operate.StartedAll) {
	s.t.Helper()
	var err error
	require.Eventually(s.t, func() bool {
		all, err = operate.StartAll(s.ctx, s.client, s.namespace, s.pool, operate.StartOptions{Shards: n, Actor: "ann"})
		return err == nil
	}, patience, 50*time.Millisecond, "the number of shards cannot be changed")
	require.NoError(s.t, err)
	require.Len(s.t, all.Dispatchers, n)
	return all
}

func (s *stack) awaitShards(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		open, err := operate.OpenShards(s.ctx, s.client, nil)
		return err == nil && len(open) == n && open[n-1] == n-1
	}, patience, 50*time.Millisecond, "it never came to the dispatchers of %d shards", n)
}

// While executions flow through many small workspaces the number of shards goes up and down: each item is run once, no
// workspace is ever above its limit, and in the end there are the dispatchers that there should be.
func TestChangingTheNumberOfShardsLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	s.host(nil)
	s.shards(1)
	var definitions []admin.Definition
	for n := range 12 {
		ws := s.workspace(s.tier(1 + n%3))
		if n%4 == 3 { // those of a cohort have one owner
			_, err := s.admin.SetWorkspace(s.ctx, ws.ID, admin.WorkspaceChange{Cohort: &admin.Change[string]{To: new("together")}}, "ann")
			require.NoError(t, err)
		}
		definitions = append(definitions, s.definition(ws.ID, node{kind: "delay", config: `{"duration":"50ms"}`}))
	}
	for s.count(`SELECT count(DISTINCT sluice.shard_of(id, cohort, 3)) FROM sluice.workspaces`) < 3 { // or one would have nothing to claim
		definitions = append(definitions, s.definition(s.workspace(s.tier(2)).ID, node{kind: "delay", config: `{"duration":"50ms"}`}))
	}
	ids := s.enqueueEach(definitions, 12)
	before := 0
	for _, n := range []int{3, 2, 1, 3, 2} {
		s.shards(n)
		require.Eventually(t, func() bool { // so that it is changed in the middle of the work, and more than once for an owner
			done := s.count(`SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
			claimed := s.count(`SELECT count(*) FROM sluice.dispatchers d WHERE d.shard < $1
				AND EXISTS (SELECT FROM sluice.turns t WHERE t.shard = d.shard AND t.turn > d.turn AND t.kind = 'claim')`, n)
			enough := done >= min(before+15, len(ids)) && claimed == n
			if enough {
				before = done
			}
			return enough
		}, faultPatience, 10*time.Millisecond, "with %d shards nothing moves, or one of them claims nothing", n)
	}
	require.Less(t, before, len(ids), "all was done before the last change")
	s.completedOnce(ids)
	s.awaitShards(2)
}

// What a dispatcher has claimed and not started when its shard goes is started by the new owners.
func TestClaimsOfAShardThatGoesAreTakenUp(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	s.shards(2)
	var definitions []admin.Definition
	for len(definitions) < 6 || s.count(`SELECT count(DISTINCT sluice.shard_of(id, cohort, 2)) FROM sluice.workspaces`) < 2 {
		definitions = append(definitions, s.definition(s.workspace("FREE").ID, node{kind: "noop"}))
	}
	_, err := operate.Pause(s.ctx, s.client, s.pool, workflows.PauseRequest{Actor: "ann"})
	require.NoError(t, err)
	ids := s.enqueueEach(definitions, 2)
	// Claimed by what stands for the dispatcher of each shard, just before it was overtaken.
	for shard := range 2 {
		s.claimAs(shard, fmt.Sprint("a run that claims ", shard))
	}
	require.Equal(t, len(ids), s.count(`SELECT count(*) FROM sluice.running WHERE dispatched_at IS NULL`))
	s.shards(1)
	_, err = operate.Resume(s.ctx, s.client, s.pool, workflows.ResumeRequest{Actor: "ann"})
	require.NoError(t, err)
	s.completedOnce(ids)
	s.awaitShards(1) // the one that was paused ends when it is resumed
}

// A change is heard by dispatchers that wait, and the surplus ones end without a message.
func TestAWaitingDispatcherEndsWhenItsShardIsGone(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	s.shards(3)
	s.awaitWaiting(3)
	all := s.shards(1)
	require.Equal(t, []int{1, 2}, all.Surplus)
	s.awaitShards(1)
	s.awaitWaiting(1)
	s.keep("dispatcher_retired", workflows.ShardID(2), "") // with -record, as TestRecordHistories does
	all = s.shards(2)
	require.False(t, all.Dispatchers[1].AlreadyRunning)
	s.awaitShards(2)
	s.audit()
}
