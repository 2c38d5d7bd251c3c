package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// limitEra is a limit and the time in which a claim may have been decided on it, by the database's clock: from the
// beginning of the transaction that set it to the end of the one that replaced it.
type limitEra struct {
	limit    int
	from, to time.Time
}

// claimCall is when a claim was asked for and answered. It is decided on what has committed when it begins to read,
// so a limit that is cut meanwhile may still be the one it was decided on.
type claimCall struct{ from, to time.Time }

// storm is a database in which everything happens at once.
type storm struct {
	*bundle
	workspaces, definitions []uuid.UUID
	plans                   []string // of each workspace

	mu       sync.Mutex
	eras     map[string][]limitEra // per plan
	calls    []claimCall
	enqueued []uuid.UUID
	cycle    atomic.Int64
	claimed  atomic.Int64
}

// enough is how many claims make a storm.
const enough = 50

// Whatever enqueuers, claimers with old grants, outcomes, failed starts and operators do at the same time: at no
// instant did a claim take a workspace above its limit, and no item is lost or in two places.
func TestNoClaimEverExceedsALimit(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &storm{bundle: setup(t), eras: map[string][]limitEra{}}
			s.openEpoch(t, "run")
			start := one[time.Time](t, s.pool, `SELECT clock_timestamp()`)
			for n := range 6 {
				plan := []string{"FREE", "STARTER"}[n%2]
				w, d := s.newWorkspace(t, fmt.Sprint("w", n), plan)
				s.workspaces, s.definitions, s.plans = append(s.workspaces, w), append(s.definitions, d), append(s.plans, plan)
			}
			s.eras[everybody] = []limitEra{{limit: math.MaxInt, from: start}}
			s.eras["FREE"], s.eras["STARTER"] = []limitEra{{limit: 2, from: start}}, []limitEra{{limit: 5, from: start}}

			// It blows for two seconds, and on a busy machine until it has blown hard enough.
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			began := time.Now()
			group, ctx := errgroup.WithContext(ctx)
			for n, work := range []func(context.Context, *rand.Rand) error{
				s.enqueueSome, s.enqueueSome, s.claimSome, s.claimSome, s.claimSome, s.endSome, s.endSome, s.endSome, s.requeueSome, s.cancelSome, s.retrySome, s.changeLimit, s.changeGlobalLimit,
			} {
				rnd := rand.New(rand.NewPCG(seed, uint64(n)))
				group.Go(func() error {
					for ctx.Err() == nil {
						if time.Since(began) > 2*time.Second && s.claimed.Load() > enough {
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
			require.Greater(t, s.claimed.Load(), int64(enough), "the storm was a breeze")
			s.checkInvariants(t)
			s.requireEverywhere(t, s.enqueued)
			s.requireNeverAboveTheLimit(t)
			t.Logf("%d enqueued, %d claimed, %d limits", len(s.enqueued), s.claimed.Load(), len(s.eras["FREE"])+len(s.eras["STARTER"]))
		})
	}
}

func (s *storm) enqueueSome(ctx context.Context, rnd *rand.Rand) error {
	many := make([]queue.Item, 1+rnd.IntN(10))
	for i := range many {
		w := rnd.IntN(len(s.workspaces))
		many[i] = queue.Item{WorkspaceID: s.workspaces[w], DefinitionID: s.definitions[w], Priority: 1 + rnd.IntN(5)}
		if rnd.IntN(10) == 0 {
			many[i].ExpiresAt = time.Now().Add(time.Duration(50+rnd.IntN(500)) * time.Millisecond)
		}
	}
	answers, err := s.app.EnqueueMany(ctx, many)
	if errors.Is(err, queue.ErrInvalid) { // too slow: expired before it was enqueued
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range answers {
		s.enqueued = append(s.enqueued, a.QueueID)
	}
	return err
}

// claimSome decides on a capacity and claims, sometimes the same step twice or with grants that have been used before.
func (s *storm) claimSome(ctx context.Context, rnd *rand.Rand) error {
	capacity, err := s.dispatcher.Capacity(ctx, 10)
	if err != nil {
		return err
	}
	var grants []queue.Grant
	for _, w := range capacity.Workspaces {
		if free := w.Limit - w.Used; free > 0 {
			grants = append(grants, queue.Grant{WorkspaceID: w.WorkspaceID, Slots: free, Limit: w.Limit})
		}
	}
	for range 1 + rnd.IntN(2) {
		cycle := s.cycle.Load()
		if rnd.IntN(4) > 0 {
			cycle = s.cycle.Add(1)
		}
		call := claimCall{from: time.Now()}
		claimed, err := s.dispatcher.Claim(ctx, queue.Fence{Epoch: s.fence.Epoch, Cycle: cycle}, grants)
		if err == nil {
			call.to = time.Now() // otherwise it may yet commit
		}
		s.mu.Lock()
		s.calls = append(s.calls, call)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		s.claimed.Add(int64(claimed.New))
	}
	return nil
}

func (s *storm) undispatched(ctx context.Context, rnd *rand.Rand) (uuid.UUID, error) {
	claims, err := s.dispatcher.Undispatched(ctx, 20)
	if err != nil || len(claims) == 0 {
		return uuid.Nil, err
	}
	return claims[rnd.IntN(len(claims))].ExecutionID, nil
}

func (s *storm) endSome(ctx context.Context, rnd *rand.Rand) error {
	id, err := s.undispatched(ctx, rnd)
	if err != nil || id == uuid.Nil {
		return err
	}
	settle := func() error {
		return s.dispatcher.Settle(ctx, []queue.Started{{ExecutionID: id, RunID: "r"}})
	}
	late := rnd.IntN(3) == 0
	if !late {
		if err := settle(); err != nil {
			return err
		}
	}
	if rnd.IntN(4) > 0 {
		_, err := s.dispatcher.RecordOutcome(ctx, queue.Outcome{ExecutionID: id, Status: "COMPLETED"})
		if err != nil && !errors.Is(err, queue.ErrUnknownItem) { // its start has failed for good meanwhile
			return err
		}
	}
	if late {
		return settle()
	}
	// Dispatched ones that nobody has ended yet end too, oldest check first.
	open, err := s.dispatcher.SlotsToCheck(ctx, 50*time.Millisecond, 3)
	for _, id := range open {
		if _, err := s.dispatcher.RecordOutcome(ctx, queue.Outcome{ExecutionID: id, Status: "TERMINATED"}); err != nil {
			return err
		}
	}
	return err
}

func (s *storm) requeueSome(ctx context.Context, rnd *rand.Rand) error {
	id, err := s.undispatched(ctx, rnd)
	if err != nil || id == uuid.Nil {
		return err
	}
	if rnd.IntN(2) == 0 {
		_, err = s.dispatcher.Release(ctx, []uuid.UUID{id}, 0)
		return err
	}
	failed := queue.FailedStart{ExecutionID: id, Reason: "start-failed", Permanent: rnd.IntN(5) == 0}
	_, err = s.dispatcher.Requeue(ctx, queue.Fence{Epoch: s.fence.Epoch, Cycle: s.cycle.Load()}, []queue.FailedStart{failed},
		queue.RetryPolicy{MaxAttempts: 3, Backoff: time.Millisecond, MaxBackoff: 10 * time.Millisecond})
	return err
}

func (s *storm) cancelSome(ctx context.Context, rnd *rand.Rand) error {
	if _, err := s.dispatcher.Expire(ctx, 5); err != nil {
		return err
	}
	s.mu.Lock()
	var id uuid.UUID
	if len(s.enqueued) > 0 {
		id = s.enqueued[rnd.IntN(len(s.enqueued))]
	}
	s.mu.Unlock()
	if id == uuid.Nil {
		return nil
	}
	_, err := s.app.Cancel(ctx, id, "ann", "")
	return err
}

func (s *storm) retrySome(ctx context.Context, rnd *rand.Rand) error {
	_, err := s.app.Retry(ctx, queue.RetryFilter{Limit: 1 + rnd.IntN(5)}, "ann")
	return err
}

func (s *storm) changeLimit(ctx context.Context, rnd *rand.Rand) error {
	plan, limit := []string{"FREE", "STARTER"}[rnd.IntN(2)], rnd.IntN(8)
	// Not cut short by the end of the storm: a change that has committed must be on record.
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	_, err := s.app.SetTier(ctx, plan, queue.TierChange{MaxConcurrentWorkflows: &limit}, "ann")
	if err != nil {
		return err
	}
	var from, to time.Time
	err = s.pool.QueryRow(ctx, `SELECT updated_at, clock_timestamp() FROM sluice.tiers WHERE plan = $1`, plan).Scan(&from, &to)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	eras := s.eras[plan]
	eras[len(eras)-1].to = to
	s.eras[plan] = append(eras, limitEra{limit: limit, from: from})
	return nil
}

// everybody stands for all workspaces together.
const everybody = ""

func (s *storm) changeGlobalLimit(ctx context.Context, rnd *rand.Rand) error {
	return s.setGlobalLimit(ctx, new(rnd.IntN(15)))
}

// setGlobalLimit takes it away when it is nil.
func (s *storm) setGlobalLimit(ctx context.Context, limit *int) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer stop()
	var from, to time.Time
	// Not updated_at: somebody may change another setting before it is read.
	if err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&from); err != nil {
		return err
	}
	if _, err := s.app.Set(ctx, queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: limit}}, "ann"); err != nil {
		return err
	}
	err := s.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&to)
	s.mu.Lock()
	defer s.mu.Unlock()
	eras := s.eras[everybody]
	eras[len(eras)-1].to = to
	era := limitEra{limit: math.MaxInt, from: from}
	if limit != nil {
		era.limit = *limit
	}
	s.eras[everybody] = append(eras, era)
	return err
}

// requireNeverAboveTheLimit replays the recorded intervals. Only the instants of claims matter: after a cut a workspace
// may hold more than its limit until it has drained, but it must not take more.
func (s *storm) requireNeverAboveTheLimit(t *testing.T) {
	t.Helper()
	intervals, err := s.app.SlotIntervals(t.Context(), s.workspaces, time.Time{})
	require.NoError(t, err)
	byWorkspace := map[uuid.UUID][]queue.SlotInterval{}
	for _, i := range intervals {
		if i.To == nil || i.To.After(i.From) { // the outcome of a requeued item records no time, and took no slot
			byWorkspace[i.WorkspaceID] = append(byWorkspace[i.WorkspaceID], i)
			byWorkspace[uuid.Nil] = append(byWorkspace[uuid.Nil], i)
		}
	}
	for workspace, held := range byWorkspace {
		plan := everybody
		if workspace != uuid.Nil {
			plan = s.plans[slices.Index(s.workspaces, workspace)]
		}
		for _, claim := range held {
			var used, allowed int
			for _, other := range held {
				if !other.From.After(claim.From) && (other.To == nil || other.To.After(claim.From)) {
					used++
				}
			}
			decided := claim.From
			for _, call := range s.calls {
				if call.from.Before(decided) && (call.to.IsZero() || call.to.After(claim.From)) {
					decided = call.from
				}
			}
			for _, era := range s.eras[plan] {
				if !era.from.After(claim.From) && (era.to.IsZero() || !era.to.Before(decided)) {
					allowed = max(allowed, era.limit)
				}
			}
			require.LessOrEqual(t, used, allowed, "workspace %s at %s", workspace, claim.From)
		}
	}
}
