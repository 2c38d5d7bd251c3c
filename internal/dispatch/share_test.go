package dispatch_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store"
)

func TestSlotsAreDealtByWeight(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 10`)
	light, d1 := w.newWorkspace("ENTERPRISE")
	heavy, d2 := w.newWorkspace("ENTERPRISE")
	w.exec(`UPDATE sluice.workspaces SET weight = CASE id WHEN $1 THEN 1 ELSE 4 END`, light)
	for range 100 {
		w.enqueueFor(light, d1, 3)
		w.enqueueFor(heavy, d2, 3)
	}
	for range 10 {
		ids := w.cycle(10)
		require.Len(t, ids, 10)
		if n := one[int](w, `SELECT count(*) FROM sluice.running WHERE workspace_id = $1`, light); n < 1 || n > 3 {
			t.Fatalf("the light workspace holds %d of 10 slots", n)
		}
		w.end(ids...)
	}
}

// Virtual times are on record once a second, so that a successor goes on dealing where its predecessor was.
func TestSuccessorKnowsVirtualTimes(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 1`)
	other, d := w.newWorkspace("STARTER")
	for range 30 {
		w.enqueue()
		w.enqueueFor(other, d, 3)
	}
	require.Eventually(t, func() bool {
		w.end(w.cycle(1)...)
		return one[int](w, `SELECT count(*) FROM sluice.virtual_times WHERE own > 0`) == 2
	}, 30*time.Second, 100*time.Millisecond)
	require.Positive(t, one[int64](w, `SELECT own_clock FROM sluice.clocks WHERE shard = 0 AND cohort = ''`))
}

// A claim takes a turn of its own, and where each plan has something to claim there is no other occasion.
func TestVirtualTimesAreOnRecordWhereClaimFollowsClaim(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other, d := w.newWorkspace("STARTER")
	for range 30 {
		w.enqueue()
		w.enqueueFor(other, d, 3)
	}
	for began := time.Now(); time.Since(began) < 1500*time.Millisecond; time.Sleep(250 * time.Millisecond) {
		w.cycle(1)
	}
	w.cycle(1)
	require.Positive(t, one[int](w, `SELECT count(*) FROM sluice.virtual_times WHERE own > 0`))
	require.Positive(t, one[int](w, `SELECT count(*) FROM sluice.clocks WHERE shard = 0 AND cohort = ''`))
}

func TestMembersOfACohortLendWhatTheyLeaveIdle(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other, d := w.newWorkspace("STARTER")
	w.exec(`UPDATE sluice.workspaces SET cohort = 'together', nominal_quota = 2`)
	w.enqueueN(9)
	borrowed := w.cycle(100)
	require.Len(t, borrowed, 4, "all that the cohort has")
	require.Equal(t, map[admission.Reason]int{admission.CohortLimit: 1}, w.plan(100).Waiting)

	w.enqueueFor(other, d, 3)
	require.Empty(t, w.cycle(100))
	w.end(borrowed[0])
	require.Equal(t, other, one[uuid.UUID](w, `SELECT workspace_id FROM sluice.running WHERE id = ANY ($1)`, w.cycle(100)), "the lender goes first")
}

// Of two slots in reserve the cohort gets none, however idle they are, and their owner always has them.
func TestMemberOfACohortKeepsWhatItDoesNotLend(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other, d := w.newWorkspace("STARTER")
	w.exec(`UPDATE sluice.workspaces SET cohort = 'together', nominal_quota = 3`)
	w.exec(`UPDATE sluice.workspaces SET lending_limit = 1 WHERE id = $1`, other)
	w.enqueueN(9)
	require.Len(t, w.cycle(100), 4, "its own three, and the one that is lent")
	require.Equal(t, map[admission.Reason]int{admission.CohortLimit: 1}, w.plan(100).Waiting)
	for range 3 {
		w.enqueueFor(other, d, 3)
	}
	require.Len(t, w.cycle(100), 2)
	w.exec(`UPDATE sluice.workspaces SET lending_limit = 0 WHERE id = $1`, other)
	require.Len(t, w.cycle(100), 1, "all three are its own")
}

func TestStartsKeepToTheirRateAcrossProcesses(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.workspaces SET starts_per_second = 0.001, burst = 3, max_concurrent_workflows = 100`)
	w.enqueueN(9)
	require.Len(t, w.cycle(2), 2)
	outlook := w.plan(100)
	require.Equal(t, 1, outlook.Items)
	require.Equal(t, 1, w.claim().New)
	require.Equal(t, map[admission.Reason]int{admission.RateLimited: 1}, w.plan(100).Waiting)
	require.Greater(t, w.plan(100).DueIn, 10*time.Minute)

	require.Zero(t, w.newProcess().plan(100).Items, "a process that begins has forgotten what was started")
}

func TestShardsShareTheWorkspacesAndNoLimitIsExceeded(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET shards = 2`)
	second := w.of(1)
	whose := map[uuid.UUID]int{}
	for range 12 {
		ws, d := w.newWorkspace("FREE")
		whose[ws] = one[int](w, `SELECT sluice.shard_of($1, NULL, 2)`, ws)
		for range 3 {
			w.enqueueFor(ws, d, 3)
		}
	}
	for shard, p := range []*process{w.process, second} {
		for _, id := range p.cycle(100) {
			require.Equal(t, shard, whose[one[uuid.UUID](w, `SELECT workspace_id FROM sluice.running WHERE id = $1`, id)])
		}
	}
	require.Equal(t, 24, w.running())
	require.Empty(t, second.cycle(100))
}

func TestPlanOfAWorkspaceThatHasChangedItsOwnerIsNotClaimed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(3)
	require.Equal(t, 3, w.plan(100).Items)
	for n := 2; one[int](w, `SELECT sluice.shard_of($1, NULL, $2)`, w.workspace, n) == 0; n++ {
		w.exec(`UPDATE sluice.settings SET shards = $1`, n+1)
	}
	w.exec(`UPDATE sluice.settings SET shards = shards + 1`)
	for one[int](w, `SELECT sluice.shard_of($1, NULL, shards) FROM sluice.settings`, w.workspace) == 0 {
		w.exec(`UPDATE sluice.settings SET shards = shards + 1`)
	}
	require.Zero(t, w.claim().New)
	require.Empty(t, w.cycle(100))
	owner := w.of(one[int](w, `SELECT sluice.shard_of($1, NULL, shards) FROM sluice.settings`, w.workspace))
	require.Len(t, owner.cycle(100), 3)
}

func TestShardsShareAGlobalLimit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 5`)
	second := w.of(1)
	for range 12 {
		ws, d := w.newWorkspace("PRO")
		for range 4 {
			w.enqueueFor(ws, d, 3)
		}
	}
	var started int
	for range 40 {
		for _, p := range []*process{w.process, second} {
			ids := p.cycle(100)
			require.LessOrEqual(t, w.running(), 5)
			w.end(ids...)
			started += len(ids)
		}
	}
	require.Equal(t, 48, started, "a free slot of the global limit is left to nobody")

	// What one shard holds the other can not have, and gets when it is free.
	for range 2 {
		for _, p := range []*process{w.process, second} {
			ws, d := w.workspaceOf(p.shard)
			for range 5 {
				w.enqueueFor(ws, d, 3)
			}
		}
	}
	var held []uuid.UUID
	require.Eventually(t, func() bool { held = append(held, w.cycle(100)...); return len(held) == 5 }, 30*time.Second, time.Millisecond)
	require.Empty(t, second.cycle(100))
	w.end(held[:2]...)
	require.Eventually(t, func() bool { second.cycle(100); return w.running() == 5 }, 30*time.Second, time.Millisecond)
}

// Two shards that always have work share a global limit by the weights of their workspaces, whoever asks first and however few slots there
// are. The first is always the first to end what it holds and to ask again.
func TestShardsThatAlwaysHaveWorkShareAGlobalLimitByWeight(t *testing.T) {
	t.Parallel()
	for limit, weight := range map[int]int{1: 1, 4: 1, 5: 1, 6: 2} {
		t.Run(fmt.Sprintf("%d slots 1 to %d", limit, weight), func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.exec(`UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = $1`, limit)
			shards := []*process{w.process, w.of(1)}
			for _, p := range shards {
				ws, d := w.workspaceOf(p.shard)
				w.exec(`UPDATE sluice.workspaces SET weight = $2, max_concurrent_workflows = 100 WHERE id = $1`, ws, 1+p.shard*(weight-1))
				w.exec(`SELECT sluice.enqueue($1, $2) FROM generate_series(1, 4000)`, ws, d)
			}
			var served [2]time.Duration
			var holds [2][]uuid.UUID
			round := time.NewTicker(25 * time.Millisecond) // for so long each execution runs
			defer round.Stop()
			most := 2.0
			if limit == 1 {
				most = 4 // a slot that cannot be divided goes to and fro within two seconds or so
			}
			shared := func() bool {
				part := float64(served[1]) / float64(served[0]) / float64(weight)
				return part > 1/most && part < most
			}
			// A machine that stands still for seconds gives them to whoever holds the slots then: more rounds make up for that.
			began := time.Now()
			for last := began; time.Since(began) < 12*time.Second || !shared() && time.Since(began) < 40*time.Second; <-round.C {
				for _, p := range shards {
					now := time.Now()
					for i := range served {
						if now.Sub(began) > 4*time.Second {
							served[i] += now.Sub(last) * time.Duration(len(holds[i]))
						}
					}
					last = now
					w.end(holds[p.shard]...)
					holds[p.shard] = p.cycle(100)
					p.plan(100) // as a dispatcher does until nothing is left to start
					require.LessOrEqual(t, w.running(), limit)
				}
			}
			require.True(t, shared(), "%v", served)
		})
	}
}

// Shards were short while the clock was a day ahead. Now that it is right, the one slot there is goes on from one to the other all the same.
func TestNoShardKeepsASlotBecauseTheClockWasAhead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 1`)
	shards := []*process{w.process, w.of(1)}
	started := [2]int{}
	round := func() {
		for _, p := range shards {
			ids := p.cycle(100)
			p.plan(100)
			started[p.shard] += len(ids)
			w.end(ids...)
		}
	}
	for _, p := range shards {
		ws, d := w.workspaceOf(p.shard)
		w.exec(`SELECT sluice.enqueue($1, $2) FROM generate_series(1, 10000)`, ws, d)
	}
	require.Eventually(t, func() bool { round(); return one[int](w, `SELECT count(*) FROM sluice.shortages`) == 2 }, patience, 10*time.Millisecond)
	w.exec(`UPDATE sluice.shortages SET asked_at = asked_at + interval '1 day'`)
	started = [2]int{}
	require.Eventually(t, func() bool { round(); return started[0] > 0 && started[1] > 0 }, patience, 10*time.Millisecond)
}

// While more is held than a limit that was cut allows, no shard replaces what ends, whatever its part of the new limit is.
func TestNoShardReplacesWhatEndsAboveALimitThatWasCut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 8`)
	shards := []*process{w.process, w.of(1)}
	for _, p := range shards {
		ws, d := w.workspaceOf(p.shard)
		w.exec(`SELECT sluice.enqueue($1, $2) FROM generate_series(1, 20)`, ws, d)
	}
	require.Eventually(t, func() bool { shards[0].cycle(2); shards[1].cycle(2); return w.running() == 8 }, 30*time.Second, time.Millisecond)
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 6`)
	for _, left := range []int{7, 6} {
		w.end(one[uuid.UUID](w, `SELECT id FROM sluice.running ORDER BY id LIMIT 1`))
		for began := time.Now(); time.Since(began) < 200*time.Millisecond; {
			shards[0].cycle(100)
			shards[1].cycle(100)
			require.Equal(t, left, w.running())
		}
	}
}

// What was decided before a limit is cut, or before others have claimed, changes nothing.
func TestAllotmentsOfAPastStateAreNotSet(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`UPDATE sluice.settings SET shards = 2, max_concurrent_workflows = 9`)
	tx, err := w.app.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `UPDATE sluice.settings SET max_concurrent_workflows = 4`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SET CONSTRAINTS ALL IMMEDIATE`) // the turns are taken
	require.NoError(t, err)
	set := make(chan error, 1)
	go func() { set <- store.SetAllotments(t.Context(), w.pool, 9, []int{9, 0}) }()
	require.Eventually(t, func() bool {
		return one[bool](w, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice' AND wait_event_type = 'Lock')`)
	}, 30*time.Second, time.Millisecond)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-set)
	slots := func() [2]int {
		return [2]int(one[[]int](w, `SELECT array_agg(slots ORDER BY shard) FROM sluice.allotments WHERE shard < 2`))
	}
	require.Equal(t, [2]int{0, 0}, slots(), "of another limit")

	ws, d := w.workspaceOf(0)
	w.exec(`SELECT sluice.enqueue($1, $2) FROM generate_series(1, 9)`, ws, d)
	require.Len(t, w.cycle(100), 4)
	require.NoError(t, store.SetAllotments(t.Context(), w.pool, 4, []int{2, 1}))
	require.Equal(t, [2]int{4, 0}, slots(), "4 are held beside that one")
	require.NoError(t, store.SetAllotments(t.Context(), w.pool, 4, []int{4, 0, 0}))
	require.Equal(t, [2]int{4, 0}, slots(), "of another number of shards")
	require.NoError(t, store.SetAllotments(t.Context(), w.pool, 4, []int{2, 0}))
	require.Equal(t, [2]int{2, 0}, slots(), "what is held may end")
}

// workspaceOf makes a workspace that belongs to a shard.
func (w *world) workspaceOf(shard int) (workspace, definition uuid.UUID) {
	for {
		workspace, definition = w.newWorkspace("PRO")
		if one[int](w, `SELECT sluice.shard_of($1, NULL, shards) FROM sluice.settings`, workspace) == shard {
			return workspace, definition
		}
	}
}

// What no event tells, a sweep finds.
func TestSweepFindsWhatWasNotTold(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.enqueue()
	gone := w.enqueueFor(w.workspace, w.definition, 5)
	w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 0`)
	require.Equal(t, map[admission.Reason]int{admission.AtCapacity: 1}, w.plan(10).Waiting)
	_, err := store.EndPending(t.Context(), w.app, []uuid.UUID{id, gone}, store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(w.plan(10).Waiting) == 0 }, patience, 50*time.Millisecond, "cancelled items still count")

	w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 5`)
	ws, d := w.newWorkspace("STARTER")
	w.exec(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input) VALUES ($1, $2, $3, 'hand', '{}'), ($4, $5, $6, 'hand', '{}')`,
		uuid.Must(uuid.NewV7()), ws, d, uuid.Must(uuid.NewV7()), w.workspace, w.definition)
	require.Eventually(t, func() bool { w.cycle(10); return w.running() == 2 }, patience, 50*time.Millisecond, "items without an event are not found")
}

func TestWaitEndsWhenSomethingHappens(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(w *world, held []uuid.UUID){
		"an item arrives":     func(w *world, _ []uuid.UUID) { w.enqueue() },
		"a slot is freed":     func(w *world, held []uuid.UUID) { w.end(held[0]) },
		"a limit changes":     func(w *world, _ []uuid.UUID) { w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = 9`) },
		"another run is made": func(w *world, _ []uuid.UUID) { w.newProcess().takeOver("another") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.enqueueN(starterLimit)
			held := w.cycle(10)
			w.hear()
			heard := make(chan bool, 1)
			go func() {
				yes, _ := w.Await(t.Context(), time.Now().Add(2*patience), patience)
				heard <- yes
			}()
			require.Eventually(t, func() bool { return one[int](w, `SELECT count(*) FROM sluice.listeners`) == 1 }, 30*time.Second, time.Millisecond)
			began := time.Now()
			happens(w, held)
			require.True(t, <-heard)
			require.Less(t, time.Since(began), patience/2, "it was not notified")
			require.Eventually(t, func() bool { return one[int](w, `SELECT count(*) FROM sluice.listeners`) == 0 }, patience, time.Millisecond)
		})
	}
}
