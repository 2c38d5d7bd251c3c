package admission

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func id(n int) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

func number(id uuid.UUID) int { return int(binary.BigEndian.Uint32(id[12:])) }

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// plain is a workspace that has no other limit than its ceiling.
func plain(n, limit, used, ready int) Workspace {
	return Workspace{ID: id(n), Cohort: NoCohort, Weight: 1, Quota: Quota{limit, limit, Unlimited}, Used: used, Ready: ready}
}

// with returns the workspace changed.
func (w Workspace) with(change func(*Workspace)) Workspace {
	change(&w)
	return w
}

func slots(d Decision) map[int]int {
	got := map[int]int{}
	for _, g := range d.Grants {
		got[number(g.ID)] += g.Slots
	}
	return got
}

func TestDecide(t *testing.T) {
	t.Parallel()
	quota := func(ceiling, nominal, borrowing int) func(*Workspace) {
		return func(w *Workspace) { w.Quota = Quota{ceiling, nominal, borrowing} }
	}
	member := func(ceiling, nominal, borrowing int) func(*Workspace) {
		return func(w *Workspace) { w.Quota, w.Cohort = Quota{ceiling, nominal, borrowing}, 0 }
	}
	weight := func(n int) func(*Workspace) { return func(w *Workspace) { w.Weight = n } }
	rate := func(r Rate, b Bucket) func(*Workspace) { return func(w *Workspace) { w.Rate, w.Bucket = r, b } }
	endless := Pool{Limit: Unlimited}
	tests := map[string]struct {
		batch   int
		global  Pool
		clocks  Clocks
		cohorts []Cohort
		ws      []Workspace
		want    map[int]int
		why     map[Reason]int
	}{
		"nothing to do": {batch: 5, global: endless},
		"each gets its first before any gets its second": {
			batch: 4, global: endless, ws: []Workspace{plain(1, 10, 0, 10), plain(2, 10, 0, 1), plain(3, 10, 0, 10)},
			want: map[int]int{1: 2, 2: 1, 3: 1},
		},
		"a full workspace with an endless backlog stops nobody": {
			batch: 100, global: endless, ws: []Workspace{plain(1, 2, 2, 1000), plain(2, 2, 1, 5)},
			want: map[int]int{2: 1}, why: map[Reason]int{AtCapacity: 1},
		},
		"a workspace above its cut limit drains": {
			batch: 100, global: endless, ws: []Workspace{plain(1, 2, 7, 3)}, why: map[Reason]int{AtCapacity: 1},
		},
		"only scheduled items": {batch: 100, global: endless, ws: []Workspace{plain(1, 2, 0, 0)}, why: map[Reason]int{Scheduled: 1}},
		"a weight is a share": {
			batch: 10, global: endless, ws: []Workspace{plain(1, 99, 0, 99).with(weight(4)), plain(2, 99, 0, 99)},
			want: map[int]int{1: 8, 2: 2},
		},
		"the lowest virtual time goes first": {
			batch: 1, global: endless, clocks: Clocks{5 * Stride, 0},
			ws:   []Workspace{plain(1, 9, 0, 9).with(func(w *Workspace) { w.Tags[Own] = 6 * Stride }), plain(2, 9, 0, 9).with(func(w *Workspace) { w.Tags[Own] = 5 * Stride })},
			want: map[int]int{2: 1}, why: map[Reason]int{BatchFull: 1},
		},
		"a sleeper has no start ahead": {
			batch: 8, global: endless, clocks: Clocks{5 * Stride, 0},
			ws:   []Workspace{plain(1, 99, 0, 99), plain(2, 99, 0, 99).with(func(w *Workspace) { w.Tags[Own] = 5 * Stride })},
			want: map[int]int{1: 4, 2: 4},
		},
		"a tag from another clock costs one start at most": {
			batch: 3, global: endless,
			ws:   []Workspace{plain(1, 9, 0, 9), plain(2, 9, 0, 9).with(func(w *Workspace) { w.Tags[Own] = 500 * Stride })},
			want: map[int]int{1: 2, 2: 1},
		},
		"the fleet is full": {
			batch: 9, global: Pool{Limit: 3, Used: 3}, ws: []Workspace{plain(1, 9, 3, 9), plain(2, 3, 3, 9)},
			why: map[Reason]int{GlobalLimit: 1, AtCapacity: 1},
		},
		"the fleet was cut": {batch: 9, global: Pool{Limit: 3, Used: 5}, ws: []Workspace{plain(1, 9, 3, 9)}, why: map[Reason]int{GlobalLimit: 1}},
		"the fleet's last slot": {
			batch: 9, global: Pool{Limit: 4, Used: 3}, ws: []Workspace{plain(1, 9, 3, 9), plain(2, 9, 0, 9)},
			want: map[int]int{1: 1}, why: map[Reason]int{GlobalLimit: 1},
		},
		"its own share goes before borrowing": {
			batch: 9, global: Pool{Limit: 10, Used: 8},
			ws:   []Workspace{plain(1, 20, 8, 9).with(quota(20, 5, Unlimited)), plain(2, 20, 0, 9).with(quota(20, 5, Unlimited))},
			want: map[int]int{2: 2}, why: map[Reason]int{GlobalLimit: 1},
		},
		"what is idle is lent": {
			batch: 9, global: Pool{Limit: 10, Used: 2},
			ws:   []Workspace{plain(1, 20, 2, 9).with(quota(20, 5, Unlimited)), plain(2, 20, 0, 1).with(quota(20, 5, Unlimited))},
			want: map[int]int{1: 7, 2: 1},
		},
		"spare capacity of one decision is dealt beside nominal quotas": {
			batch: 30, global: Pool{Limit: 30},
			ws:   []Workspace{plain(1, 30, 0, 30).with(quota(30, 10, Unlimited)), plain(2, 30, 0, 30).with(quota(30, 0, Unlimited))},
			want: map[int]int{1: 20, 2: 10}, why: map[Reason]int{},
		},
		"a cohort does not get what is not lent": {
			batch: 9, global: endless, cohorts: []Cohort{{Name: "a", Pool: Pool{Limit: 4, Used: 0}, Weight: 2}},
			ws:   []Workspace{plain(1, 20, 0, 9).with(member(20, 3, Unlimited)), plain(2, 20, 0, 2).with(member(20, 3, Unlimited)).with(func(w *Workspace) { w.Reserved = 2 })},
			want: map[int]int{1: 4, 2: 2}, why: map[Reason]int{},
		},
		"the borrowing limit": {
			batch: 9, global: endless,
			ws:   []Workspace{plain(1, 20, 3, 9).with(quota(20, 2, 3)), plain(2, 20, 5, 9).with(quota(20, 2, 3)), plain(3, 4, 4, 1).with(quota(4, 2, 3))},
			want: map[int]int{1: 2}, why: map[Reason]int{BorrowLimit: 1, AtCapacity: 1},
		},
		"a nominal quota above the ceiling": {batch: 9, global: endless, ws: []Workspace{plain(1, 2, 0, 9).with(quota(2, 7, 0))}, want: map[int]int{1: 2}},
		"a cohort lends to its members": {
			batch: 9, global: endless, cohorts: []Cohort{{Name: "a", Pool: Pool{Limit: 6, Used: 3}, Weight: 2}},
			ws:   []Workspace{plain(1, 20, 3, 9).with(member(20, 3, Unlimited)), plain(2, 20, 0, 1).with(member(20, 3, Unlimited))},
			want: map[int]int{1: 2, 2: 1},
		},
		"a cohort's slots go to the lender first": {
			batch: 9, global: endless, cohorts: []Cohort{{Name: "a", Pool: Pool{Limit: 6, Used: 5}, Weight: 2}},
			ws:   []Workspace{plain(1, 20, 5, 9).with(member(20, 3, Unlimited)), plain(2, 20, 0, 9).with(member(20, 3, Unlimited))},
			want: map[int]int{2: 1}, why: map[Reason]int{CohortLimit: 1},
		},
		"a cohort weighs what its members do": {
			batch: 9, global: endless, cohorts: []Cohort{{Name: "a", Pool: endless, Weight: 2}},
			ws:   []Workspace{plain(1, 20, 0, 20).with(member(20, 20, 0)), plain(2, 20, 0, 20).with(member(20, 20, 0)), plain(3, 20, 0, 20)},
			want: map[int]int{1: 3, 2: 3, 3: 3},
		},
		"an empty bucket": {
			batch: 9, global: endless,
			ws: []Workspace{
				plain(1, 9, 0, 9).with(rate(Rate{2, 3}, Bucket{})),                                                 // never used: full
				plain(2, 9, 0, 9).with(rate(Rate{2, 3}, Bucket{Tokens: 0, At: noon.Add(-499 * time.Millisecond)})), // almost one
				plain(3, 9, 0, 9).with(rate(Rate{2, 3}, Bucket{Tokens: 0, At: noon.Add(-time.Second)})),
				plain(4, 9, 9, 9).with(rate(Rate{2, 3}, Bucket{Tokens: 0, At: noon})),
			},
			want: map[int]int{1: 3, 3: 2}, why: map[Reason]int{RateLimited: 1, AtCapacity: 1},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.want == nil {
				tt.want = map[int]int{}
			}
			if tt.why == nil {
				tt.why = map[Reason]int{}
			}
			got := Decide(Input{Now: noon, Batch: tt.batch, Global: tt.global, Clocks: tt.clocks, Cohorts: tt.cohorts, Workspaces: tt.ws})
			require.Equal(t, tt.want, slots(got))
			require.Equal(t, tt.why, got.Waiting)
		})
	}
}

func TestADecisionSaysWhenTheNextTokenIsDue(t *testing.T) {
	t.Parallel()
	limited := func(n int, perSecond float64, since time.Duration) Workspace {
		return plain(n, 9, 0, 9).with(func(w *Workspace) { w.Rate, w.Bucket = Rate{perSecond, 1}, Bucket{At: noon.Add(-since)} })
	}
	decide := func(ws ...Workspace) Decision {
		return Decide(Input{Now: noon, Batch: 9, Global: Pool{Limit: Unlimited}, Workspaces: ws})
	}
	require.Zero(t, decide(plain(1, 9, 0, 9)).RateDue)
	require.Equal(t, 400*time.Millisecond, decide(limited(1, 2, 100*time.Millisecond), limited(2, 1, 0)).RateDue)
	d := decide(limited(1, 2, 100*time.Millisecond))
	later := limited(1, 2, 100*time.Millisecond)
	require.Equal(t, []Grant{{ID: id(1), Slots: 1, Limit: 9}},
		Decide(Input{Now: noon.Add(d.RateDue), Batch: 9, Global: Pool{Limit: Unlimited}, Workspaces: []Workspace{later}}).Grants, "and then it is there")
	require.Zero(t, decide(limited(1, 2, 0).with(func(w *Workspace) { w.Used = 9 })).RateDue, "a token would not help")
}

func TestABucketNeverHoldsMoreThanItsBurst(t *testing.T) {
	t.Parallel()
	r := Rate{PerSecond: 10, Burst: 4}
	b := Bucket{}
	require.Equal(t, 4, r.starts(b, noon))
	b = r.take(b, noon, 4)
	require.Equal(t, 0, r.starts(b, noon))
	require.Equal(t, 1, r.starts(b, noon.Add(100*time.Millisecond)))
	require.Equal(t, 4, r.starts(b, noon.Add(time.Hour)))
	require.Equal(t, 0, r.starts(b, noon.Add(-time.Hour)), "a clock that goes back takes nothing away and gives nothing")
	require.Equal(t, Unlimited, Rate{}.starts(b, noon))
}
