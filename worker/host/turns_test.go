package host

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var testRules = rules{turn: 5 * time.Second, grace: 2 * time.Second, idle: 30 * time.Second}

func ws(n int) uuid.UUID { return uuid.UUID{15: byte(n)} }

func wss(numbers ...int) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, n := range numbers {
		ids = append(ids, ws(n))
	}
	return ids
}

func TestDecide(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ago := func(seconds int) time.Time { return now.Add(-time.Duration(seconds) * time.Second) }
	busy := func(since int) tenure { return tenure{since: ago(since), lastActive: now, active: true} }
	quiet := func(since, unused int) tenure { return tenure{since: ago(since), lastActive: ago(unused)} }
	type hosts map[uuid.UUID]tenure
	type waits map[uuid.UUID]time.Time

	for name, c := range map[string]struct {
		limit, stopping int
		hosted          hosts
		waiting, cared  waits
		start, stop     []uuid.UUID
	}{
		"nothing to do":                        {limit: 3, hosted: hosts{ws(1): busy(60)}},
		"the longest wait ends first":          {limit: 2, waiting: waits{ws(1): ago(1), ws(2): ago(3), ws(3): ago(2)}, start: wss(2, 3)},
		"room is filled before anybody stops":  {limit: 3, hosted: hosts{ws(1): busy(60), ws(2): quiet(60, 9)}, waiting: waits{ws(3): ago(1)}, start: wss(3)},
		"no turn ends while no other waits":    {limit: 2, hosted: hosts{ws(1): busy(60), ws(2): busy(60)}},
		"hosted longest gives way":             {limit: 2, hosted: hosts{ws(1): busy(6), ws(2): busy(7)}, waiting: waits{ws(3): ago(1)}, stop: wss(2)},
		"as many give way as wait":             {limit: 3, hosted: hosts{ws(1): busy(6), ws(2): busy(7), ws(3): busy(8)}, waiting: waits{ws(4): ago(1), ws(5): ago(1)}, stop: wss(3, 2)},
		"a turn is not cut short":              {limit: 2, hosted: hosts{ws(1): busy(4), ws(2): busy(3)}, waiting: waits{ws(3): ago(60)}},
		"idle ones go before any turn ends":    {limit: 2, hosted: hosts{ws(1): busy(60), ws(2): quiet(4, 3)}, waiting: waits{ws(3): ago(1)}, stop: wss(2)},
		"idle longest goes first":              {limit: 2, hosted: hosts{ws(1): quiet(9, 3), ws(2): quiet(9, 8)}, waiting: waits{ws(3): ago(1)}, stop: wss(2)},
		"just idle has a moment's grace":       {limit: 1, hosted: hosts{ws(1): quiet(4, 1)}, waiting: waits{ws(2): ago(1)}},
		"just idle, but its turn is over":      {limit: 1, hosted: hosts{ws(1): quiet(6, 1)}, waiting: waits{ws(2): ago(1)}, stop: wss(1)},
		"idle for too long stops anyway":       {limit: 9, hosted: hosts{ws(1): quiet(60, 30), ws(2): quiet(60, 29)}, stop: wss(1)},
		"a place that becomes free is enough":  {limit: 2, stopping: 1, hosted: hosts{ws(1): busy(60)}, waiting: waits{ws(2): ago(1)}},
		"and one more for the next":            {limit: 2, stopping: 1, hosted: hosts{ws(1): busy(60)}, waiting: waits{ws(2): ago(2), ws(3): ago(1)}, stop: wss(1)},
		"idle for too long makes place enough": {limit: 2, hosted: hosts{ws(1): quiet(60, 31), ws(2): busy(60)}, waiting: waits{ws(3): ago(1)}, stop: wss(1)},
		"what is starting is left alone":       {limit: 1, hosted: hosts{ws(1): {starting: true, active: true}}, waiting: waits{ws(2): ago(60)}},
		"what lacks types is left at once":     {limit: 9, hosted: hosts{ws(1): {since: now, lastActive: now, active: true, foreign: true}}, stop: wss(1)},
		"hosted elsewhere comes last":          {limit: 2, waiting: waits{ws(1): ago(1)}, cared: waits{ws(2): ago(9), ws(3): ago(8)}, start: wss(1, 2)},
		"and nobody gives way to it":           {limit: 1, hosted: hosts{ws(1): busy(60)}, cared: waits{ws(2): ago(60)}},
		"who is hosted twice gives way first":  {limit: 2, hosted: hosts{ws(1): busy(60), ws(2): {since: ago(3), lastActive: now, active: true, yields: true}}, waiting: waits{ws(3): ago(1)}, stop: wss(2)},
		"ties are settled by id":               {limit: 1, waiting: waits{ws(2): ago(1), ws(1): ago(1)}, start: wss(1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := situation{now: now, limit: c.limit, stopping: c.stopping, hosted: c.hosted, waiting: c.waiting, cared: c.cared}
			start, stop := s.decide(testRules)
			require.ElementsMatch(t, c.start, start)
			require.Equal(t, len(c.start), len(start))
			for i := range start {
				require.Equal(t, c.start[i], start[i], "order of starts")
			}
			require.Equal(t, len(c.stop), len(stop))
			for i := range stop {
				require.Equal(t, c.stop[i], stop[i], "order of stops")
			}
		})
	}
}

// TestTurns lets random workspaces come and go in front of a limit, with starts and stops that take time, and checks
// the invariants of doc.go at every tick.
func TestTurns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const tick = 500 * time.Millisecond
		limit := rapid.IntRange(1, 6).Draw(t, "limit")
		population := rapid.IntRange(1, 20).Draw(t, "workspaces")
		startTicks := rapid.IntRange(0, 3).Draw(t, "ticks to start")
		stopTicks := rapid.IntRange(0, 3).Draw(t, "ticks to stop")
		changes := rapid.SampledFrom([]int{0, 20, 200}).Draw(t, "one change of mind in n")

		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		s := situation{limit: limit, hosted: map[uuid.UUID]tenure{}, waiting: map[uuid.UUID]time.Time{}}
		active, without := map[uuid.UUID]bool{}, map[uuid.UUID]time.Time{}
		startsDone, stopsDone := map[uuid.UUID]int{}, map[uuid.UUID]int{}
		for i := range population {
			active[ws(i)] = true
		}
		// Each waits until all others had their turn, plus the ticks that the swap itself takes.
		overhead := time.Duration(startTicks+stopTicks+2) * tick
		longest := time.Duration((population+limit-1)/limit) * (testRules.turn + overhead)

		for n := range 400 {
			now = now.Add(tick)
			for i := range population {
				if changes > 0 && rapid.IntRange(1, changes).Draw(t, "change") == 1 {
					active[ws(i)] = !active[ws(i)]
				}
			}
			for id, at := range startsDone {
				if n >= at {
					s.hosted[id] = tenure{since: now, lastActive: now}
					delete(startsDone, id)
					delete(without, id)
				}
			}
			for id, at := range stopsDone {
				if n >= at {
					delete(stopsDone, id)
				}
			}
			s.now, s.stopping = now, len(stopsDone)
			clear(s.waiting)
			for i := range population {
				id := ws(i)
				h, hosted := s.hosted[id]
				if h.active = active[id]; h.active {
					h.lastActive = now
				}
				if hosted {
					s.hosted[id] = h
				}
				if !active[id] {
					delete(without, id)
				} else if _, known := without[id]; !known && (!hosted || h.starting) {
					without[id] = now
				}
				if _, leaving := stopsDone[id]; active[id] && !hosted && !leaving {
					s.waiting[id] = without[id]
				}
			}

			start, stop := s.decide(testRules)
			room := limit - len(s.hosted) - s.stopping
			for _, id := range stop {
				h := s.hosted[id]
				if h.starting {
					t.Fatalf("stopped a worker that was starting")
				}
				if h.active && len(s.waiting) <= room+s.stopping {
					t.Fatalf("stopped a workspace with work while there was room: %+v", s)
				}
				delete(s.hosted, id)
				stopsDone[id] = n + stopTicks
				if active[id] {
					without[id] = now
				}
			}
			for _, id := range start {
				s.hosted[id] = tenure{starting: true, active: true, lastActive: now}
				startsDone[id] = n + startTicks
			}
			if workers := len(s.hosted) + len(stopsDone); workers > limit {
				t.Fatalf("%d workers, %d allowed", workers, limit)
			}
			if len(start) < min(room, len(s.waiting)) {
				t.Fatalf("a place stayed empty while a workspace waited")
			}
			for id, since := range without {
				if wait := now.Sub(since); wait > longest {
					t.Fatalf("workspace %s with work has waited for %s, at most %s is promised", id, wait, longest)
				}
			}
		}
	})
}
