package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// stormShards is how many dispatchers there are at most while the number of shards changes.
const stormShards = 4

// shardStorm is a storm in which several dispatchers claim at once, and nobody keeps his workspaces for long.
type shardStorm struct {
	*storm
	epochs  [stormShards]int64
	cycles  [stormShards]atomic.Int64
	changes atomic.Int64 // of owners

	mu      sync.Mutex
	claimed [stormShards]int
}

// However often the owners of workspaces change while all dispatchers claim, dispatch and undo what fails, and limits are
// cut: at no instant did a claim take a workspace, or all of them together, above the limit, and no item is lost or in two
// places.
func TestNoClaimExceedsALimitWhileOwnersChange(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &shardStorm{storm: &storm{bundle: setup(t), eras: map[string][]limitEra{}}}
			start := one[time.Time](t, s.pool, `SELECT clock_timestamp()`)
			for shard := range stormShards {
				s.epochs[shard] = s.fenceOf(t, shard).Epoch
			}
			for n := range 6 {
				plan := []string{"FREE", "STARTER"}[n%2]
				w, d := s.newWorkspace(t, fmt.Sprint("w", n), plan)
				s.workspaces, s.definitions, s.plans = append(s.workspaces, w), append(s.definitions, d), append(s.plans, plan)
			}
			s.eras[everybody] = []limitEra{{limit: math.MaxInt, from: start}}
			s.eras["FREE"], s.eras["STARTER"] = []limitEra{{limit: 2, from: start}}, []limitEra{{limit: 5, from: start}}

			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			began := time.Now()
			group, ctx := errgroup.WithContext(ctx)
			work := []func(context.Context, *rand.Rand) error{s.enqueueSome, s.enqueueSome, s.cancelSome, s.endOldest, s.endOldest, s.cutSometimes, s.changeShards, s.changeCohort}
			for shard := range stormShards {
				work = append(work, s.claimAs(shard), s.dispatchAs(shard))
			}
			for n, work := range work {
				rnd := rand.New(rand.NewPCG(seed, uint64(n)))
				group.Go(func() error {
					for ctx.Err() == nil {
						if time.Since(began) > 4*time.Second && s.everyShardHasClaimed() && s.changes.Load() > enough {
							stop()
						}
						if err := work(ctx, rnd); err != nil && ctx.Err() == nil {
							return fmt.Errorf("worker %d: %w", n, err)
						}
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			require.True(t, s.everyShardHasClaimed(), "the storm was a breeze: %v", s.claimed)
			s.checkInvariants(t)
			s.requireEverywhere(t, s.enqueued)
			s.requireNeverAboveTheLimit(t)
			t.Logf("%d enqueued, %v claimed by shard, %d changes of owners", len(s.enqueued), s.claimed, s.changes.Load())
		})
	}
}

func (s *shardStorm) everyShardHasClaimed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.claimed {
		if n < enough/stormShards {
			return false
		}
	}
	return true
}

func (s *shardStorm) fenceNow(shard int) queue.Fence {
	return queue.Fence{Shard: shard, Epoch: s.epochs[shard], Cycle: s.cycles[shard].Load()}
}

// claimAs claims as much as can be for all workspaces, its own and those of others.
func (s *shardStorm) claimAs(shard int) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, rnd *rand.Rand) error {
		limits := map[uuid.UUID]int{} // the owner may change between two shards' capacities
		for other := range stormShards {
			capacity, err := s.dispatcher.Shard(other).Capacity(ctx, 10)
			if err != nil {
				return err
			}
			for _, w := range capacity.Workspaces {
				limits[w.WorkspaceID] = w.Limit
			}
		}
		var grants []queue.Grant
		for workspace, limit := range limits {
			grants = append(grants, queue.Grant{WorkspaceID: workspace, Slots: 10, Limit: limit})
		}
		s.cycles[shard].Add(1)
		call := claimCall{from: time.Now()}
		claimed, err := s.dispatcher.Claim(ctx, s.fenceNow(shard), grants)
		if err == nil {
			call.to = time.Now()
		}
		s.storm.mu.Lock()
		s.calls = append(s.calls, call)
		s.storm.mu.Unlock()
		s.mu.Lock()
		s.claimed[shard] += claimed.New
		s.mu.Unlock()
		return err
	}
}

// dispatchAs starts what is claimed, with a pause in which the owner may change. Some starts fail, and some workflows end
// before their start is settled.
func (s *shardStorm) dispatchAs(shard int) func(context.Context, *rand.Rand) error {
	return func(ctx context.Context, rnd *rand.Rand) error {
		fence, claims, err := s.dispatcher.BeginDispatch(ctx, s.fenceNow(shard), 20)
		if err != nil || len(claims) == 0 {
			return err
		}
		var started []queue.Started
		var failed []queue.FailedStart
		for _, c := range claims {
			switch rnd.IntN(6) {
			case 0:
				failed = append(failed, queue.FailedStart{ExecutionID: c.ExecutionID, Reason: "start-failed", Permanent: rnd.IntN(5) == 0})
			case 1:
				if err := s.end(ctx, c.ExecutionID); err != nil {
					return err
				}
				fallthrough
			default:
				started = append(started, queue.Started{ExecutionID: c.ExecutionID, RunID: "r"})
			}
		}
		if err := s.dispatcher.Settle(ctx, started); err != nil {
			return err
		}
		_, err = s.dispatcher.Requeue(ctx, fence, failed, queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
		return err
	}
}

func (s *shardStorm) end(ctx context.Context, id uuid.UUID) error {
	_, err := s.dispatcher.RecordOutcome(ctx, queue.Outcome{ExecutionID: id, Status: "COMPLETED"})
	if errors.Is(err, queue.ErrUnknownItem) { // its start has failed for good meanwhile
		return nil
	}
	return err
}

func (s *shardStorm) endOldest(ctx context.Context, rnd *rand.Rand) error {
	open, err := s.dispatcher.SlotsToCheck(ctx, 20*time.Millisecond, 3)
	for _, id := range open {
		if err := s.end(ctx, id); err != nil {
			return err
		}
	}
	return err
}

func (s *shardStorm) changeShards(ctx context.Context, rnd *rand.Rand) error {
	s.changes.Add(1)
	return s.app.SetShards(ctx, 1+rnd.IntN(stormShards), "ann")
}

// changeCohort lets a workspace join others, or leave them, and with that perhaps its owner.
func (s *shardStorm) changeCohort(ctx context.Context, rnd *rand.Rand) error {
	s.changes.Add(1)
	cohort := []*string{nil, nil, new("blue"), new("green")}[rnd.IntN(4)]
	_, err := s.app.SetWorkspace(ctx, s.workspaces[rnd.IntN(len(s.workspaces))], queue.WorkspaceChange{Cohort: &queue.Change[string]{To: cohort}}, "ann")
	return err
}

// cutSometimes changes limits now and then: rarely enough that each is filled.
func (s *shardStorm) cutSometimes(ctx context.Context, rnd *rand.Rand) error {
	rest := time.NewTimer(time.Duration(rnd.IntN(300)) * time.Millisecond)
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-rest.C:
	}
	if rnd.IntN(2) == 0 {
		return s.changeLimit(ctx, rnd)
	}
	if rnd.IntN(2) == 0 {
		return s.changeGlobalLimit(ctx, rnd)
	}
	return s.setGlobalLimit(ctx, nil)
}
