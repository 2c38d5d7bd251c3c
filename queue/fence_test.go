package queue_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

func TestEachRunGetsAnEpochOfItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, step := range []struct {
		shard int
		run   string
		want  int64
	}{{0, "a", 1}, {0, "a", 1}, {0, "b", 2}, {0, "b", 2}, {1, "a", 1}, {0, "a", 3}} {
		got, err := b.dispatcher.OpenEpoch(t.Context(), step.shard, step.run)
		require.NoError(t, err)
		require.Equal(t, step.want, got, "shard %d, run %s", step.shard, step.run)
	}
}

func TestARepeatedCycleClaimsNothingNew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 5)
	b.openEpoch(t, "run")
	claim := func(cycle int64, grants []queue.Grant) queue.Claimed {
		got, err := b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: cycle}, grants)
		require.NoError(t, err)
		return got
	}
	require.Equal(t, queue.Claimed{New: 2, Newest: 3}, claim(3, b.grant(2)))
	require.Equal(t, queue.Claimed{Carried: 2, Repeated: true, Newest: 3}, claim(3, b.grant(2)))
	require.Equal(t, queue.Claimed{Carried: 2, Repeated: true, Newest: 3}, claim(2, b.grant(2)), "an older one neither")
	require.Equal(t, queue.Claimed{Carried: 2, Newest: 3}, claim(4, nil), "without grants there is nothing to accept")
	require.Equal(t, queue.Claimed{New: 1, Carried: 2, Newest: 4}, claim(4, b.grant(1)))
	b.dispatch(t, b.held(t)...)
	require.Equal(t, queue.Claimed{Repeated: true, Newest: 4}, claim(4, b.grant(1)), "what is dispatched is not carried")
	b.checkInvariants(t)
}

func TestNothingIsClaimedInAPassedCycle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 3)
	b.openEpoch(t, "run")
	at := func(cycle int64) queue.Fence { return queue.Fence{Epoch: b.fence.Epoch, Cycle: cycle} }
	claim := func(cycle int64) queue.Claimed {
		got, err := b.dispatcher.Claim(t.Context(), at(cycle), b.grant(1))
		require.NoError(t, err)
		return got
	}
	require.NoError(t, b.dispatcher.PassCycle(t.Context(), at(5)))
	require.Equal(t, queue.Claimed{Repeated: true, Newest: 5}, claim(5))
	require.Equal(t, queue.Claimed{Repeated: true, Newest: 5}, claim(4))
	require.NoError(t, b.dispatcher.PassCycle(t.Context(), at(3)), "an older one changes nothing")
	require.NoError(t, b.dispatcher.PassCycle(t.Context(), queue.Fence{Epoch: b.fence.Epoch - 1, Cycle: 9}), "nor does an overtaken run's")
	require.Equal(t, queue.Claimed{New: 1, Newest: 6}, claim(6))
	require.NoError(t, b.dispatcher.PassCycle(t.Context(), at(6)), "what came first stands")
	require.Equal(t, queue.Claimed{Carried: 1, Repeated: true, Newest: 6}, claim(6))
	b.checkInvariants(t)
}

func TestAnOlderEpochIsFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.claim(t, 1)
	old := b.fence
	b.openEpoch(t, "successor")
	old.Cycle++
	for _, grants := range [][]queue.Grant{b.grant(1), nil} {
		_, err := b.dispatcher.Claim(t.Context(), old, grants)
		require.ErrorIs(t, err, queue.ErrFenced)
	}
	_, err := b.dispatcher.Claim(t.Context(), queue.Fence{Shard: 7, Epoch: 1, Cycle: 1}, b.grant(1))
	require.ErrorIs(t, err, queue.ErrFenced, "nobody has opened this shard")
	require.Equal(t, "PENDING", b.view(t, ids[1]).Status)

	b.fence.Cycle = 0
	require.Equal(t, ids[1:], b.claim(t, 5), "cycles begin anew in each epoch")
	claims, err := b.dispatcher.Undispatched(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, claims, 2, "the successor takes up what was left")
	require.Equal(t, ids[0], claims[0].ExecutionID, "oldest first")
}

// A takeover that commits while a claim waits for it must win: the claim reads the epoch after its wait.
func TestAClaimThatWaitedForATakeoverIsFenced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 2)
	b.openEpoch(t, "run")
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `UPDATE sluice.dispatchers SET epoch = epoch + 1, run_id = 'successor', cycle = 0`)
	require.NoError(t, err)
	var group errgroup.Group
	group.Go(func() error {
		_, err := b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: 1}, b.grant(2))
		return err
	})
	b.awaitLockWait(t)
	require.NoError(t, tx.Commit(t.Context()))
	require.ErrorIs(t, group.Wait(), queue.ErrFenced)
	require.Empty(t, b.slots(t))
}

// Both claimers were handed all five slots. Whether they run the same step or different ones, five is what they get.
func TestConcurrentClaimersWithTheSameGrantsStayBelowTheCap(t *testing.T) {
	t.Parallel()
	const rounds, claimers = 60, 4
	b := setup(t)
	b.openEpoch(t, "run")
	var cycle int64
	for round := range rounds {
		_, err := b.app.EnqueueMany(t.Context(), items(b.item(), 3*starterLimit))
		require.NoError(t, err)
		sameCycle := round%2 == 0
		cycle += claimers
		results := make([]queue.Claimed, claimers)
		var group errgroup.Group
		for n := range claimers {
			mine := cycle
			if !sameCycle {
				mine += int64(n)
			}
			group.Go(func() (err error) {
				results[n], err = b.dispatcher.Claim(t.Context(), queue.Fence{Epoch: b.fence.Epoch, Cycle: mine}, b.grant(starterLimit))
				return err
			})
		}
		require.NoError(t, group.Wait())
		cycle += claimers
		var claimed, accepted int
		for _, r := range results {
			claimed += r.New
			if !r.Repeated {
				accepted++
			} else if sameCycle {
				require.Equal(t, starterLimit, r.Carried, "a repeated claim sees what the accepted one has taken")
			}
		}
		require.Equal(t, starterLimit, claimed)
		if sameCycle {
			require.Equal(t, 1, accepted)
		}
		require.Equal(t, starterLimit, b.slots(t)[b.workspace])
		for _, id := range b.held(t) {
			b.end(t, id, "COMPLETED")
		}
	}
	b.checkInvariants(t)
}

// Two processes do the same dispatch of the same run: whoever began it first may no longer undo what the other starts.
func TestADispatchIsOvertakenByTheNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	b.claim(t, 1)
	begin := func(f queue.Fence) queue.Fence {
		f, claims, err := b.dispatcher.BeginDispatch(t.Context(), f, 10)
		require.NoError(t, err)
		require.Len(t, claims, 1)
		require.Equal(t, id, claims[0].ExecutionID)
		return f
	}
	first, second := begin(b.fence), begin(b.fence)
	policy := queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}
	undone, err := b.dispatcher.Requeue(t.Context(), first, []queue.FailedStart{failedStart(id)}, policy)
	require.NoError(t, err)
	require.Equal(t, queue.Requeued{}, undone)
	require.Equal(t, "CLAIMED", b.view(t, id).Status)
	undone, err = b.dispatcher.Requeue(t.Context(), second, []queue.FailedStart{failedStart(id)}, policy)
	require.NoError(t, err)
	require.Equal(t, queue.Requeued{Pending: 1}, undone)

	old := b.fence
	b.openEpoch(t, "successor")
	_, _, err = b.dispatcher.BeginDispatch(t.Context(), old, 10)
	require.ErrorIs(t, err, queue.ErrFenced)
	b.checkInvariants(t)
}
