package audit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func id(n int) uuid.UUID {
	var u uuid.UUID
	binary.BigEndian.PutUint32(u[12:], uint32(n))
	return u
}

// at is a moment n seconds into the test's day; at(0) is no zero time.
func at(n int) time.Time { return time.Date(2026, 5, 1, 12, 0, n, 0, time.UTC) }

// slot is a slot of workspace 1, held from one second to another; a negative end is none.
func slot(n, from, to int) Held {
	h := Held{ID: id(100 + n), Workspace: id(1), From: at(from)}
	if to >= 0 {
		h.To = at(to)
	}
	return h
}

func ids(breaches []Breach) []uuid.UUID {
	var ids []uuid.UUID
	for _, b := range breaches {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestJudgeClaims(t *testing.T) {
	t.Parallel()
	own := func(n int) *int { return &n }
	onPlan := []Change{{At: at(0), Plan: "A", Limit: 2}, {At: at(0), Plan: "B", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A"}}
	tests := map[string]struct {
		held    []Held
		changes []Change
		since   int
		slack   time.Duration
		judged  int
		unknown int
		above   []uuid.UUID
	}{
		"nothing":                    {},
		"as many as allowed":         {held: []Held{slot(1, 1, -1), slot(2, 2, -1)}, judged: 2},
		"one more":                   {held: []Held{slot(1, 1, -1), slot(2, 2, -1), slot(3, 3, 4)}, judged: 3, above: []uuid.UUID{id(103)}},
		"the slot that was freed":    {held: []Held{slot(1, 1, 3), slot(2, 2, -1), slot(3, 3, -1)}, judged: 3},
		"two at once, one too many":  {held: []Held{slot(1, 1, -1), slot(3, 2, -1), slot(2, 2, -1)}, judged: 3, above: []uuid.UUID{id(103)}},
		"what never held a slot":     {held: []Held{slot(1, 1, -1), slot(2, 2, -1), slot(3, 3, 3), slot(4, 4, 2)}, judged: 2},
		"a cut drains":               {held: []Held{slot(1, 1, -1), slot(2, 2, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 0}}, judged: 2},
		"a claim after a cut":        {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 1}}, judged: 2, above: []uuid.UUID{id(102)}},
		"a claim just after a cut":   {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 1}}, slack: 2 * time.Second, judged: 2},
		"a claim after a raise":      {held: []Held{slot(1, 1, -1), slot(2, 2, -1), slot(3, 6, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 3}}, judged: 3},
		"a claim before a raise":     {held: []Held{slot(1, 1, -1), slot(2, 2, -1), slot(3, 4, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 3}}, judged: 3, above: []uuid.UUID{id(103)}},
		"a smaller plan":             {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Workspace: id(1), Plan: "B"}}, judged: 2, above: []uuid.UUID{id(102)}},
		"a limit of its own":         {held: []Held{slot(1, 1, -1), slot(2, 6, -1), slot(3, 7, -1)}, changes: []Change{{At: at(5), Workspace: id(1), Plan: "A", Override: own(3)}}, judged: 3},
		"a lower limit of its own":   {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Workspace: id(1), Plan: "A", Override: own(1)}}, judged: 2, above: []uuid.UUID{id(102)}},
		"its plan's limit no longer": {held: []Held{slot(1, 6, -1), slot(2, 7, -1)}, changes: []Change{{At: at(4), Workspace: id(1), Plan: "A", Override: own(2)}, {At: at(5), Plan: "A", Limit: 1}}, judged: 2},
		"its plan's limit again":     {held: []Held{slot(1, 1, -1), slot(2, 6, -1), slot(3, 7, -1)}, changes: []Change{{At: at(4), Workspace: id(1), Plan: "A", Override: own(9)}, {At: at(5), Workspace: id(1), Plan: "A"}}, judged: 3, above: []uuid.UUID{id(103)}},
		"another plan's limit":       {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Plan: "B", Limit: 0}}, judged: 2},
		"before the history":         {held: []Held{slot(1, -5, -1), slot(2, -4, -1), slot(3, -3, -1), slot(4, 1, -1)}, judged: 1, unknown: 3, above: []uuid.UUID{id(104)}},
		"too long ago to be judged":  {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(3, 2, -1), slot(4, 3, -1)}, since: 3, judged: 1, above: []uuid.UUID{id(104)}},
		"a workspace nobody knows":   {held: []Held{{ID: id(101), Workspace: id(9), From: at(1)}}, unknown: 1},
		"changes in any order":       {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 1}, {At: at(3), Plan: "A", Limit: 9}}, judged: 2, above: []uuid.UUID{id(102)}},
		"the last of one moment":     {held: []Held{slot(1, 1, -1), slot(2, 6, -1)}, changes: []Change{{At: at(5), Plan: "A", Limit: 1}, {At: at(5), Plan: "A", Limit: 2}}, judged: 2},
		"a plan whose limit is gone": {held: []Held{slot(1, 1, -1)}, changes: []Change{{At: at(0), Workspace: id(1), Plan: "Z"}}, unknown: 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := JudgeClaims(tt.held, NewLimits(append(slices.Clone(onPlan), tt.changes...)), at(tt.since-60), tt.slack)
			if tt.since > 0 {
				got = JudgeClaims(tt.held, NewLimits(append(slices.Clone(onPlan), tt.changes...)), at(tt.since), tt.slack)
			}
			require.Equal(t, tt.above, ids(got.Above.First))
			require.EqualValues(t, tt.judged, got.Judged)
			require.EqualValues(t, tt.unknown, got.Unknown)
		})
	}
	above := JudgeClaims([]Held{slot(1, 1, -1), slot(2, 2, -1), slot(3, 3, 4)}, NewLimits(onPlan), at(0), 0).Above.First
	require.Equal(t, "claimed at 2026-05-01T12:00:03Z as one of 3 slots of workspace "+id(1).String()+", whose limit was 2", above[0].What)
}

// naiveLimits tries every second: which plan was the workspace on, and what did that allow?
func naiveLimits(changes []Change, workspace uuid.UUID, from, to int) (highest int, known bool) {
	for second := from; second <= to; second++ {
		plan, limits, override := "", map[string]int{}, (*int)(nil)
		for _, c := range changes { // in order
			switch {
			case c.At.After(at(second)):
			case c.Workspace == workspace:
				plan, override = c.Plan, c.Override
			case c.Workspace == uuid.Nil:
				limits[c.Plan] = c.Limit
			}
		}
		limit, ok := limits[plan]
		if override != nil {
			limit, ok = *override, true
		}
		if ok {
			highest, known = max(highest, limit), true
		}
	}
	return highest, known
}

func TestJudgeClaimsAgreesWithTheNaiveOne(t *testing.T) {
	t.Parallel()
	plans := []string{"A", "B"}
	rapid.Check(t, func(t *rapid.T) {
		var changes []Change
		second := 0
		for range rapid.IntRange(0, 8).Draw(t, "changes") {
			second += rapid.IntRange(0, 3).Draw(t, "later")
			c := Change{At: at(second), Plan: rapid.SampledFrom(plans).Draw(t, "plan")}
			if rapid.Bool().Draw(t, "of a workspace") {
				c.Workspace = id(rapid.IntRange(1, 2).Draw(t, "workspace"))
				if limit := rapid.IntRange(-3, 3).Draw(t, "its own limit"); limit >= 0 {
					c.Override = &limit
				}
			} else {
				c.Limit = rapid.IntRange(0, 3).Draw(t, "limit")
			}
			changes = append(changes, c)
		}
		held := make([]Held, rapid.IntRange(0, 12).Draw(t, "slots"))
		for i := range held {
			from := rapid.IntRange(0, 20).Draw(t, "from")
			held[i] = slot(i, from, rapid.SampledFrom([]int{-1, from, from + 1, from + 4}).Draw(t, "to"))
			held[i].Workspace = id(rapid.IntRange(1, 2).Draw(t, "holder"))
		}
		slack := rapid.IntRange(0, 2).Draw(t, "slack")
		since := rapid.IntRange(0, 10).Draw(t, "since")

		// One claim after the other, by time and id: what is held with it, and is that too much?
		order := slices.Clone(held)
		slices.SortFunc(order, func(a, b Held) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		var want Claims
		var above []uuid.UUID
		for _, claim := range order {
			if claim.From.Equal(claim.To) || claim.From.Before(at(since)) {
				continue
			}
			used, later := 0, 0
			for _, other := range order {
				if other.Workspace != claim.Workspace || other.From.After(claim.From) || !other.To.IsZero() && !other.To.After(claim.From) {
					continue
				}
				used++
				if other.From.Equal(claim.From) && bytes.Compare(other.ID[:], claim.ID[:]) > 0 {
					later++
				}
			}
			second := int(claim.From.Sub(at(0)) / time.Second)
			limit, known := naiveLimits(changes, claim.Workspace, second-slack, second)
			switch {
			case !known:
				want.Unknown++
				continue
			case used-later > limit:
				above = append(above, claim.ID)
			}
			want.Judged++
		}
		got := JudgeClaims(held, NewLimits(changes), at(since), time.Duration(slack)*time.Second)
		if got.Judged != want.Judged || got.Unknown != want.Unknown || !slices.Equal(ids(got.Above.First), above) {
			t.Fatalf("got %+v, want %+v above %v", got, want, above)
		}

		from := rapid.IntRange(0, 20).Draw(t, "peak from")
		to := from + rapid.IntRange(0, 5).Draw(t, "peak for")
		peak := 0
		for second := from; second <= to; second++ {
			used := 0
			for _, h := range held {
				if !h.From.After(at(second)) && (h.To.IsZero() || h.To.After(at(second))) {
					used++
				}
			}
			peak = max(peak, used)
		}
		if got := Peak(held, at(from), at(to)); got != peak {
			t.Fatalf("peak %d, want %d", got, peak)
		}
	})
}

func TestLimitsBetween(t *testing.T) {
	t.Parallel()
	limits := NewLimits([]Change{
		{At: at(0), Workspace: id(1), Plan: "A"}, {At: at(10), Plan: "A", Limit: 5}, {At: at(20), Plan: "A", Limit: 1}, {At: at(30), Plan: "A", Limit: 3},
	})
	for name, tt := range map[string]struct{ from, to, lowest, highest int }{
		"one era":            {11, 12, 5, 5},
		"the change counts":  {19, 20, 1, 5},
		"only what came":     {20, 29, 1, 1},
		"all of them":        {10, 40, 1, 5},
		"known from within":  {0, 10, 5, 5},
		"the present":        {31, 99, 3, 3},
		"between two cuts":   {25, 35, 1, 3},
		"the last of an era": {29, 29, 1, 1},
	} {
		lowest, highest, known := limits.Between(id(1), at(tt.from), at(tt.to))
		require.True(t, known, name)
		require.Equal(t, []int{tt.lowest, tt.highest}, []int{lowest, highest}, name)
	}
	_, _, known := limits.Between(id(1), at(0), at(9))
	require.False(t, known)
}

func TestDoubts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		sight Sight
		want  map[int]string // by invariant
	}{
		"waits":               {Sight{Status: "PENDING", Workflow: Missing}, nil},
		"claimed and started": {Sight{Status: "CLAIMED", Slot: at(1), Workflow: Open}, nil},
		"runs":                {Sight{Status: "RUNNING", Slot: at(1), Workflow: Open}, nil},
		"over":                {Sight{Status: "COMPLETED", Workflow: Closed}, nil},
		"forgotten":           {Sight{Status: "COMPLETED", Workflow: Missing}, nil},
		"leaked":              {Sight{Status: "RUNNING", Slot: at(1), Workflow: Closed}, map[int]string{Slot: "it holds a slot, but its workflow is closed"}},
		"never started":       {Sight{Status: "CLAIMED", Slot: at(1), Workflow: Missing}, map[int]string{Slot: "it holds a slot, but its workflow is missing"}},
		"runs without a slot": {Sight{Status: "RUNNING", Workflow: Open}, map[int]string{Slot: "its workflow is open, but it holds no slot"}},
		"runs though it waits": {Sight{Status: "PENDING", Workflow: Open},
			map[int]string{Place: "its workflow is open, but it is PENDING", Slot: "its workflow is open, but it holds no slot"}},
		"runs though it is over": {Sight{Status: "CANCELLED", Slot: at(1), Workflow: Open}, map[int]string{Place: "its workflow is open, but it is CANCELLED"}},
		"runs from nowhere": {Sight{Workflow: Open},
			map[int]string{Place: "its workflow is open, but it is unknown", Slot: "its workflow is open, but it holds no slot"}},
		"runs twice": {Sight{Status: "RUNNING", Slot: at(1), Workflow: Open, Strays: []string{"mine"}}, map[int]string{Place: "another workflow runs it: mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.sight.ID = id(7)
			got := map[int]string{}
			for _, d := range tt.sight.Doubts() {
				require.Equal(t, id(7), d.ID)
				got[d.Invariant] = d.What
			}
			if len(tt.want) == 0 {
				require.Empty(t, got)
				return
			}
			require.Equal(t, tt.want, got)
			require.Len(t, Lasting(tt.sight, tt.sight), len(tt.want))
			require.Empty(t, Lasting(Sight{ID: id(7)}, tt.sight), "it has only just begun")
			require.Empty(t, Lasting(tt.sight, Sight{ID: id(7)}), "it is over")
		})
	}
	leak, again := Sight{Status: "RUNNING", Slot: at(1), Workflow: Closed}, Sight{Status: "CLAIMED", Slot: at(2), Workflow: Missing}
	require.Empty(t, Lasting(leak, again), "it was requeued and has taken another slot")
	again.Slot = at(1)
	require.Len(t, Lasting(leak, again), 1, "what was closed has gone missing")
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := NewReport(at(0))
	require.True(t, r.Complete())
	for n := range 2 * Most {
		r.Of(Slot).Add(Breach{ID: id(n)})
	}
	r.Of(Slot).AddCounted(100, []Breach{{ID: id(1)}})
	r.Of(Place).AddCounted(3, make([]Breach, 3))
	require.EqualValues(t, 2*Most+103, r.Violations())
	require.Len(t, r.Of(Slot).Offenders, Most)
	r.Of(Slot).Unchecked = append(r.Of(Slot).Unchecked, "Temporal is down")
	require.False(t, r.Complete())
}
