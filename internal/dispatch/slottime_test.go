package dispatch_test

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// holders play executions that hold slots: those of a long workspace for twenty rounds, all others for one.
type holders struct {
	w       *world
	long    map[uuid.UUID]bool
	running map[uuid.UUID]int
	of      map[uuid.UUID]uuid.UUID
	round   int
}

func newHolders(w *world, long ...uuid.UUID) *holders {
	h := &holders{w: w, long: map[uuid.UUID]bool{}, running: map[uuid.UUID]int{}, of: map[uuid.UUID]uuid.UUID{}}
	for _, id := range long {
		h.long[id] = true
	}
	return h
}

// play plays some rounds, and returns for how long each workspace held slots, in slot seconds. A round takes as long as it takes.
func (h *holders) play(rounds int, processes ...*process) map[uuid.UUID]float64 {
	held := map[uuid.UUID]float64{}
	for range rounds {
		h.round++
		began := time.Now()
		for _, p := range processes {
			for _, id := range p.cycle(10) {
				h.of[id] = one[uuid.UUID](h.w, `SELECT workspace_id FROM sluice.running WHERE id = $1`, id)
				h.running[id] = h.round
				if h.long[h.of[id]] {
					h.running[id] += 19
				}
			}
		}
		holding, over := slices.Collect(maps.Keys(h.running)), []uuid.UUID(nil)
		for id, until := range h.running {
			if until <= h.round {
				over = append(over, id)
				delete(h.running, id)
			}
		}
		h.w.end(over...)
		for _, id := range holding {
			held[h.of[id]] += time.Since(began).Seconds()
		}
	}
	return held
}

// Two workspaces with endless work share two slots: one has executions twenty times as long. What is counted is the setting's to say,
// and to change while everything runs; a dispatcher that begins goes on.
func TestSlotTimeIsSharedOnTheRealQueue(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.sharers(2, 1500)
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 2`)
	h := newHolders(w, ids[1])
	ratio := func() float64 {
		short, long := 0.0, 0.0
		for range 2 {
			held := h.play(100, w.newProcess())
			short, long = short+held[ids[0]], long+held[ids[1]]
		}
		return long / short
	}
	h.play(40, w.process) // it learns
	require.True(t, inSomeStretch(t, func() bool { return near(ratio()) }))

	w.exec(`UPDATE sluice.settings SET fairness = 'starts'`)
	require.True(t, inSomeStretch(t, func() bool { return ratio() > 2 }), "twenty to one in rounds; those in which something is claimed take longer")
}

// Two processes take turns as the dispatcher, and each loads everything when its turn comes. A workspace with long executions must wait
// for some of its slots for long, and then be given them.
func TestProcessesThatTakeTurnsShareSlotTime(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.sharers(2, 16_000)
	w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 10`)
	h := newHolders(w, ids[1])
	processes := []*process{w.process, w.newProcess()}
	ratio := func() float64 {
		held := map[uuid.UUID]float64{}
		for range 400 {
			p := processes[h.round/10%2]
			p.KeepTimes()
			for id, seconds := range h.play(1, p) {
				held[id] += seconds
			}
			w.exec(`UPDATE sluice.running SET dispatched_at = now() WHERE dispatched_at IS NULL`) // or the other process would take them up
			if h.round%10 == 0 {
				processes[h.round/10%2].hear()
			}
		}
		t.Logf("%.2f to 1", held[ids[1]]/held[ids[0]])
		return held[ids[1]] / held[ids[0]]
	}
	ratio() // they learn
	require.True(t, inSomeStretch(t, func() bool { return near(ratio()) }))
}

// near tells whether two shares are about the same.
func near(ratio float64) bool { return math.Abs(ratio-1) <= 0.35 }

// inSomeStretch plays stretches of rounds until one is as it should be, four at most. A machine that stands still for seconds gives them to
// whoever holds slots then, and the dispatcher makes up for it: that may spoil one stretch, or two. Slots that are shared otherwise spoil all.
func inSomeStretch(t *testing.T, as func() bool) bool {
	t.Helper()
	for n := range 4 {
		if as() {
			return true
		}
		t.Logf("stretch %d is not as it should be", n+1)
	}
	return false
}

// In a cohort, and in one on each of two shards, a short and a long workspace share slot time, and dispatchers that begin go on.
func TestSlotTimeIsSharedInCohortsAndOnShards(t *testing.T) {
	t.Parallel()
	for name, shards := range map[string]int{"in a cohort": 1, "on two shards": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.exec(`UPDATE sluice.settings SET shards = $1`, shards)
			h := newHolders(w)
			begin := func() (processes []*process) {
				p := w.newProcess()
				processes = append(processes, p)
				for shard := 1; shard < shards; shard++ {
					processes = append(processes, p.of(shard))
				}
				return processes
			}
			var pairs [][2]uuid.UUID
			for shard := range shards {
				var pair [2]uuid.UUID
				cohort := one[string](w, `SELECT n::text FROM generate_series(1, 100) AS n WHERE sluice.shard_of(NULL, n::text, $1) = $2 LIMIT 1`, shards, shard)
				for n := range pair {
					id, definition := w.newWorkspace("ENTERPRISE")
					w.exec(`UPDATE sluice.workspaces SET cohort = $2, nominal_quota = 1 WHERE id = $1`, id, cohort)
					w.exec(`SELECT sluice.enqueue($1, $2, '{"n": 1}', 3) FROM generate_series(1, 1200)`, id, definition)
					pair[n] = id
				}
				h.long[pair[1]] = true
				pairs = append(pairs, pair)
			}
			h.play(40, begin()...) // they learn
			var held map[uuid.UUID]float64
			shared := inSomeStretch(t, func() bool {
				held = h.play(80, begin()...)
				for id, seconds := range h.play(80, begin()...) {
					held[id] += seconds
				}
				return !slices.ContainsFunc(pairs, func(pair [2]uuid.UUID) bool { return !near(held[pair[1]] / held[pair[0]]) })
			})
			require.True(t, shared, "%v", held)
		})
	}
}

// A dispatcher that begins knows how long executions of each definition take.
func TestSuccessorKnowsHowLongDefinitionsTake(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.sharers(2, 60)
	other := uuid.Must(uuid.NewV7())
	w.exec(`INSERT INTO sluice.workflow_definitions (id, workspace_id, name) VALUES ($1, $2, 'other')`, other, ids[0])
	w.exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) VALUES ($1, 1, '{"nodes": []}')`, other)
	w.exec(`SELECT sluice.enqueue($1, $2, '{"n": 1}', n % 5 + 1) FROM generate_series(1, 60) AS n`, ids[0], other)
	require.Eventually(t, func() bool {
		w.end(w.cycle(1)...)
		return one[bool](w, `SELECT EXISTS (SELECT FROM sluice.virtual_times WHERE slot_times ? ('definition ' || $1::uuid))`, other)
	}, patience, 50*time.Millisecond)
	p := w.newProcess()
	p.plan(1)
	require.Len(t, p.SlotTimes(ids[0]), 2)
}

// Two processes take turns as the dispatcher, because each wait may be another worker's: each claims once after the other. One slot is shared by two
// heavy workspaces and a light one, which must not wait for ever.
func TestProcessesThatTakeTurnsPassNobodyOver(t *testing.T) {
	t.Parallel()
	for _, fairness := range []string{"slot-time", "starts"} {
		t.Run(fairness, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.exec(`UPDATE sluice.settings SET fairness = $1`, fairness)
			ids := w.sharers(3, 450)
			w.exec(`UPDATE sluice.workspaces SET weight = CASE id WHEN $1 THEN 1 ELSE 5 END`, ids[0])
			processes := []*process{w.process, w.newProcess()}
			var held []uuid.UUID
			shares := func() (of [3]float64) { // of what is counted
				began := one[time.Time](w, `SELECT clock_timestamp()`)
				for n := range 110 {
					p := processes[n%2]
					p.plan(1)
					w.end(held...)
					require.Equal(t, 1, p.plan(1).Items)
					p.KeepTimes()
					p.claim()
					held = p.begin()
					require.Len(t, held, 1)
				}
				for n, id := range ids {
					of[n] = one[float64](w, `
						SELECT coalesce(sum(counted) FILTER (WHERE workspace_id = $1) / sum(counted), 0)::float8
						  FROM (SELECT workspace_id, CASE $3 WHEN 'starts' THEN 1 ELSE extract(epoch FROM ended_at - claimed_at) END AS counted
						          FROM sluice.ended WHERE ended_at > $2) AS e`, id, began, fairness)
				}
				t.Logf("%.3f", of)
				return of
			}
			require.True(t, inSomeStretch(t, func() bool {
				of := shares()
				return math.Abs(11*of[0]-1) <= 0.5 && math.Abs(11*of[1]-5) <= 2.5
			}))
		})
	}
}

// An execution has held its slot until its end, and not until the dispatcher looked last; and the dispatcher need not look again to know it.
func TestWhatThisProcessRecordsHasHeldItsSlotUntilThen(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	ids := w.cycle(1)
	require.Len(t, ids, 1)
	took := func() float64 {
		return one[float64](w, `SELECT extract(epoch FROM clock_timestamp() - claimed_at)::float8 FROM sluice.running`)
	}
	require.Eventually(t, func() bool { return took() > 0.3 }, patience, 10*time.Millisecond)
	ended, err := store.NewRecorder(w.app, w.engines.Freed).Record(t.Context(), store.Outcome{ExecutionID: ids[0], RunID: "r", Status: "COMPLETED"})
	require.NoError(t, err)
	require.True(t, ended)
	w.HeardNow() // however long that took
	w.pool.Close()
	require.Equal(t, 1, w.plan(1).Items)
	require.Greater(t, w.Took(w.workspace), 300*time.Millisecond)
}

// Two workspaces wait for the one slot there is: the one of which is foretold that it starts is the one that does, because the other's
// executions take longer.
func TestWhatIsToldOfWaitsIsWhatSlotTimeDecides(t *testing.T) {
	t.Parallel()
	w := setup(t)
	ids := w.sharers(2, 1)
	w.exec(`INSERT INTO sluice.virtual_times (workspace_id, own, slot_time) VALUES ($1, 0, 100), ($2, 0, 1)`, ids[0], ids[1])
	pending := map[uuid.UUID]uuid.UUID{}
	for _, id := range ids {
		pending[id] = one[uuid.UUID](w, `SELECT id FROM sluice.pending WHERE workspace_id = $1`, id)
	}
	waits, err := facts.Waits(t.Context(), w.app, 0, pending[ids[0]], pending[ids[1]])
	require.NoError(t, err)
	require.Empty(t, waits[pending[ids[1]]].Reason)
	require.Equal(t, admission.GlobalLimit, waits[pending[ids[0]]].Reason)
	require.Equal(t, []uuid.UUID{pending[ids[1]]}, w.cycle(10))
}
