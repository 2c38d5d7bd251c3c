package dispatch

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

// player plays executions against the cache of an engine, for hours of a clock of its own and without a database. As a dispatcher that waits
// does, it looks once a second, decides where something has ended, and else every five seconds.
type player struct {
	t       *testing.T
	e       *Engine
	rnd     *rand.Rand
	began   time.Time
	now     time.Duration
	items   uint64
	lasts   map[uuid.UUID]time.Duration
	running []played
	started map[uuid.UUID]int
}

type played struct {
	id, of uuid.UUID
	until  time.Duration
}

func newPlayer(t *testing.T, slots int) *player {
	p := &player{
		t: t, e: newEngine(New(nil), 0), rnd: rand.New(rand.NewPCG(1, 2)), began: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		lasts: map[uuid.UUID]time.Duration{}, started: map[uuid.UUID]int{},
	}
	c := &p.e.cache
	c.charges()
	c.known, c.now, c.asOf = true, p.began.UnixMicro(), p.began.UnixMicro()
	c.setShard(store.Shard{Shards: 1, SlotTime: true, Limit: &slots, AgeingStep: time.Minute})
	return p
}

// add makes a workspace with more items than it can start. Its executions take so long, more or less, and are expected to take as long as is given.
func (p *player) add(ceiling, weight int, expected, lasts time.Duration) uuid.UUID {
	id := uuid.UUID{byte(len(p.lasts) + 1)}
	p.lasts[id] = lasts
	p.limit(id, ceiling, weight, expected)
	lines := &p.e.cache.byID[id].lines
	for i := range lines {
		lines[i].done = true
	}
	for range 20_000 {
		p.items++
		i := item{at: p.e.cache.now}
		binary.BigEndian.PutUint64(i.id[:], p.items)
		lines[2].items = append(lines[2].items, i)
	}
	p.claim()
	return id
}

// limit sets what a workspace may hold, and its weight.
func (p *player) limit(id uuid.UUID, ceiling, weight int, expected time.Duration) {
	require.True(p.t, p.e.cache.setQuota(store.Quota{WorkspaceID: id, Plan: "PRO", Ceiling: ceiling, Nominal: ceiling, Weight: weight, SlotTime: expected.Seconds()}))
}

func (p *player) holds(id uuid.UUID) int { return p.e.cache.byID[id].view.Used }

// play lets time pass.
func (p *player) play(length time.Duration) {
	for end := p.now + length; p.now < end; {
		next := min(end, p.now.Truncate(time.Second)+time.Second)
		for _, r := range p.running {
			next = min(next, r.until)
		}
		p.now = next
		var freed []uuid.UUID
		p.running = slices.DeleteFunc(p.running, func(r played) bool {
			if r.until <= p.now {
				freed = append(freed, r.id)
			}
			return r.until <= p.now
		})
		p.look(freed)
		if len(freed) > 0 || p.now%(5*time.Second) == 0 {
			p.claim()
		}
	}
}

// look has the engine hear what has ended.
func (p *player) look(freed []uuid.UUID) {
	h := &hearing{engine: p.e, began: time.Now(), news: store.News{Now: p.began.Add(p.now)}}
	if len(freed) > 0 {
		h.news.Events = []store.Event{{Freed: freed}}
	}
	require.NoError(p.t, p.e.apply(p.t.Context(), h))
	require.True(p.t, p.e.cache.known)
}

// claim decides, and starts all that is granted.
func (p *player) claim() {
	p.e.decide(1000)
	result := store.ClaimResult{Taken: true, At: p.began.Add(p.now)}
	for _, k := range p.e.plan.taken {
		of := k.of.view.ID
		result.Items = append(result.Items, store.Claimed{ID: k.id})
		p.running = append(p.running, played{k.id, of, p.now + time.Duration((0.6+0.8*p.rnd.Float64())*float64(p.lasts[of]))})
		p.started[of]++
	}
	require.Empty(p.t, p.e.book(result, &Claimed{}))
	p.e.waiting.executions = nil
}

// For a day two workspaces share ten slots, and nothing is decided between the end of one execution and the end of the next.
func TestWhoComesAfterAQuietDayCostsTheOthersOneTurn(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, 10)
	a, b := p.add(10, 1, 100*time.Second, 100*time.Second), p.add(10, 1, 100*time.Second, 100*time.Second)
	p.play(24 * time.Hour)
	before := p.started[a] + p.started[b]
	c := p.add(10, 1, 100*time.Second, 100*time.Second)
	for p.started[a]+p.started[b]+p.started[c]-before < 60 {
		p.play(time.Second)
	}
	t.Logf("of 60 starts it got %d", p.started[c])
	require.InDelta(t, 20, p.started[c], 8)
}

// A workspace that has been at its limit for a day may hold more: it has had no more than it was given, and gets its half.
func TestWhoMayHoldMoreAfterAQuietDayGetsItsShare(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, 10)
	a, _ := p.add(2, 1, 100*time.Second, 100*time.Second), p.add(10, 1, 100*time.Second, 100*time.Second)
	p.play(24 * time.Hour)
	p.limit(a, 10, 1, 0)
	p.play(5 * time.Minute)
	require.InDelta(t, 5, p.holds(a), 1)
}

// Executions of a workspace were expected to take an hour and fail after a minute. Meanwhile it was given a hundred times the weight: what it
// gets back has to be what it was charged.
func TestWhatIsGivenBackAfterAChangeOfWeightIsWhatWasCharged(t *testing.T) {
	t.Parallel()
	p := newPlayer(t, 100)
	a := p.add(50, 1, time.Hour, time.Minute)
	b := p.add(100, 1, time.Minute, time.Minute)
	require.Equal(t, 50, p.holds(b))
	p.limit(a, 100, 1, 0) // it waits for more
	p.play(20 * time.Second)
	p.limit(a, 100, 100, 0)
	p.play(4 * time.Minute)
	t.Logf("%d and %d slots", p.holds(a), p.holds(b))
	require.Greater(t, p.holds(a), 90)
}
