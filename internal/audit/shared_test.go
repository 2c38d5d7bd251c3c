package audit

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func some(n int) *int { return &n }

// of is the slot of a workspace.
func (h Held) of(workspace int) Held {
	h.Workspace = id(workspace)
	return h
}

func TestJudgeShared(t *testing.T) {
	t.Parallel()
	// Workspaces 1 and 2 are a cohort of four slots, 3 is alone.
	before := []Change{{At: at(0), Plan: "A", Limit: 3, Nominal: some(2)}, {At: at(0), Workspace: id(1), Plan: "A", Cohort: "eu"},
		{At: at(0), Workspace: id(2), Plan: "A", Cohort: "eu"}, {At: at(0), Workspace: id(3), Plan: "A"}}
	four := []Held{slot(1, 1, -1), slot(2, 1, -1), slot(3, 2, -1), slot(4, 3, -1).of(2)}
	fifth := append(slices.Clone(four), slot(5, 6, -1).of(2))
	with := func(more ...Held) []Held { return append(slices.Clone(four), more...) }
	global := func(limit int) []GlobalChange { return []GlobalChange{{At: at(5), Limit: &limit}} }
	for name, tt := range map[string]struct {
		held    []Held
		changes []Change
		global  []GlobalChange
		since   int
		slack   time.Duration
		above   []uuid.UUID
	}{
		"nothing":                              {},
		"no limit of all":                      {held: with(slot(5, 6, -1).of(3), slot(6, 6, -1).of(3))},
		"as many as all may hold":              {held: with(slot(5, 6, -1).of(3)), global: global(5)},
		"one more":                             {held: with(slot(5, 6, -1).of(3), slot(6, 7, -1).of(3)), global: global(5), above: []uuid.UUID{id(106)}},
		"one more of one instant":              {held: with(slot(6, 6, -1).of(3), slot(5, 6, -1).of(3)), global: global(5), above: []uuid.UUID{id(106)}},
		"a slot that another gave back":        {held: with(slot(9, 1, 6).of(3), slot(5, 6, -1).of(3)), global: global(5)},
		"a cut of all drains":                  {held: with(slot(5, 4, -1).of(3)), global: global(2)},
		"a claim after a cut of all":           {held: with(slot(5, 6, -1).of(3)), global: global(2), above: []uuid.UUID{id(105)}},
		"a claim just after it":                {held: with(slot(5, 6, -1).of(3)), global: global(2), slack: 2 * time.Second},
		"just after it, yet above both limits": {held: with(slot(5, 6, -1).of(3)), global: []GlobalChange{{At: at(0), Limit: some(4)}, {At: at(5), Limit: some(2)}}, slack: 2 * time.Second, above: []uuid.UUID{id(105)}},
		"after a raise of all":                 {held: with(slot(5, 6, -1).of(3)), global: []GlobalChange{{At: at(0), Limit: some(2)}, {At: at(5), Limit: some(5)}}, since: 5},
		"the limit of all taken away":          {held: with(slot(5, 6, -1).of(3)), global: []GlobalChange{{At: at(0), Limit: some(4)}, {At: at(5)}}},
		"none may hold anything":               {held: []Held{slot(5, 6, -1).of(3)}, global: global(0), above: []uuid.UUID{id(105)}},
		"too long ago to be judged":            {held: with(slot(5, 6, -1).of(3), slot(6, 7, -1).of(3)), global: global(2), since: 7, above: []uuid.UUID{id(106)}},
		"a workspace nobody knows":             {held: with(slot(5, 6, -1).of(9)), global: global(4), above: []uuid.UUID{id(105)}},
		"what never held a slot":               {held: with(slot(5, 6, 6).of(3)), global: global(4)},

		"a cohort's quota":             {held: four},
		"one more than it":             {held: fifth, above: []uuid.UUID{id(105)}},
		"a slot of another's":          {held: with(slot(5, 6, -1).of(3))},
		"both limits":                  {held: fifth, global: global(4), above: []uuid.UUID{id(105), id(105)}},
		"a cohort's cut drains":        {held: four, changes: []Change{{At: at(5), Plan: "A", Limit: 3, Nominal: some(1)}}},
		"a claim after its cut":        {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(5, 6, -1).of(2)}, changes: []Change{{At: at(5), Plan: "A", Limit: 3, Nominal: some(1)}}, above: []uuid.UUID{id(105)}},
		"a claim just after its cut":   {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(5, 6, -1).of(2)}, changes: []Change{{At: at(5), Plan: "A", Limit: 3, Nominal: some(1)}}, slack: time.Second + 1},
		"a quota of its own":           {held: fifth, changes: []Change{{At: at(5), Workspace: id(1), Plan: "A", Cohort: "eu", Nominal: some(3)}}},
		"a quota above its limit":      {held: fifth, changes: []Change{{At: at(5), Workspace: id(1), Plan: "A", Cohort: "eu", Nominal: some(9), Override: some(2)}}, above: []uuid.UUID{id(105)}},
		"a quota that is all it has":   {held: fifth, changes: []Change{{At: at(5), Plan: "A", Limit: 3}}},
		"a smaller plan":               {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(5, 6, -1)}, changes: []Change{{At: at(4), Plan: "B", Limit: 1}, {At: at(5), Workspace: id(2), Plan: "B", Cohort: "eu", Override: some(0)}}, above: []uuid.UUID{id(105)}},
		"a member more lends":          {held: fifth, changes: []Change{{At: at(5), Workspace: id(4), Plan: "A", Cohort: "eu"}}},
		"a member more brings its own": {held: append([]Held{slot(7, 1, -1).of(3), slot(8, 1, -1).of(3), slot(9, 1, -1).of(3)}, fifth...), changes: []Change{{At: at(5), Workspace: id(3), Plan: "A", Cohort: "eu"}}, above: []uuid.UUID{id(105)}},
		"a lender leaves":              {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(5, 6, -1)}, changes: []Change{{At: at(5), Workspace: id(2), Plan: "A"}}, above: []uuid.UUID{id(105)}},
		"a lender has just left":       {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(5, 6, -1)}, changes: []Change{{At: at(5), Workspace: id(2), Plan: "A"}}, slack: 2 * time.Second},
		"a borrower leaves":            {held: []Held{slot(1, 1, -1), slot(2, 1, -1), slot(3, 1, -1), slot(4, 6, -1).of(2), slot(5, 6, -1).of(2)}, changes: []Change{{At: at(5), Workspace: id(1), Plan: "A"}}},
		"it goes elsewhere":            {held: fifth, changes: []Change{{At: at(5), Workspace: id(2), Plan: "A", Cohort: "us"}}},
		"a plan nobody knows":          {held: fifth, changes: []Change{{At: at(5), Workspace: id(1), Plan: "Z", Cohort: "eu"}}},
		"not even its own quota":       {held: fifth, changes: []Change{{At: at(5), Workspace: id(1), Plan: "Z", Cohort: "eu", Nominal: some(1)}}},
		"its own quota and limit":      {held: fifth, changes: []Change{{At: at(5), Workspace: id(1), Plan: "Z", Cohort: "eu", Nominal: some(1), Override: some(1)}}, above: []uuid.UUID{id(105)}},
		"cut and mended at once":       {held: four, changes: []Change{{At: at(2), Plan: "A", Limit: 3, Nominal: some(0)}, {At: at(2), Plan: "A", Limit: 3, Nominal: some(2)}}},
		"raised and cut at once":       {held: fifth, changes: []Change{{At: at(5), Plan: "A", Limit: 3, Nominal: some(3)}, {At: at(5), Plan: "A", Limit: 3, Nominal: some(2)}}, slack: 2 * time.Second, above: []uuid.UUID{id(105)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			since := at(tt.since)
			history := NewShared(append(slices.Clone(before), tt.changes...), tt.global)
			require.Equal(t, tt.above, ids(JudgeShared(tt.held, history, since, tt.slack)))
			held := make([]Held, len(tt.held))
			for i, h := range tt.held {
				h.Reopened = !h.From.Before(at(6))
				held[i] = h
			}
			require.Empty(t, JudgeShared(held, history, since, tt.slack), "what Temporal runs anyway was not admitted")
		})
	}
	above := JudgeShared(fifth, NewShared(before, global(3)), at(0), 0)
	require.Equal(t, "claimed at 2026-05-01T12:00:06Z as one of 5 slots of all workspaces together, whose limit was 3", above[0].What)
	require.Equal(t, "claimed at 2026-05-01T12:00:06Z as one of 5 slots of cohort eu, whose limit was 4", above[1].What)
}

func TestAReopenedExecutionFillsWhatIsShared(t *testing.T) {
	t.Parallel()
	history := NewShared(nil, []GlobalChange{{At: at(0), Limit: some(1)}})
	held := WithReopenings([]Held{slot(1, 1, 20), slot(2, 5, 12).of(2), slot(3, 13, 14).of(3)}, []Reopening{{ID: id(101), Before: at(4), At: at(8)}})
	require.Equal(t, []uuid.UUID{id(103)}, ids(JudgeShared(held, history, at(0), 0)), "102 came while it was closed, 103 when it ran again")
}

func TestFull(t *testing.T) {
	t.Parallel()
	history := NewShared([]Change{{At: at(0), Plan: "A", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A", Cohort: "eu"}}, []GlobalChange{{At: at(20), Limit: some(0)}})
	held := []Held{slot(1, 3, 6), slot(2, 12, 14).of(2)}
	for name, tt := range map[string]struct {
		workspace, from, to int
		full                bool
	}{
		"before": {1, 0, 2, false}, "from the claim on": {1, 0, 3, true}, "in the midst of it": {1, 4, 5, true}, "until the end": {1, 5, 9, true}, "after it": {1, 6, 9, false},
		"of no cohort": {2, 3, 13, false}, "of another cohort": {1, 12, 13, false}, "all": {2, 15, 20, true},
	} {
		require.Equal(t, tt.full, history.Full(held, id(tt.workspace), at(tt.from), at(tt.to)), name)
	}
}

// naiveShared works out the state of all limits at one second from the beginning: how much each pool may hold; a pool
// that has no limit is missing. The one of all workspaces has the empty name.
func naiveShared(changes []Change, global []GlobalChange, second int) (limits map[string]int, cohorts map[uuid.UUID]string) {
	limits, cohorts = map[string]int{}, map[uuid.UUID]string{}
	plans, workspaces := map[string]Change{}, map[uuid.UUID]Change{}
	for _, c := range changes {
		if c.At.After(at(second)) {
			continue
		}
		if c.Workspace == uuid.Nil {
			plans[c.Plan] = c
		} else {
			workspaces[c.Workspace] = c
		}
	}
	unknown := map[string]bool{}
	for workspace, w := range workspaces {
		if w.Cohort == "" {
			continue
		}
		cohorts[workspace] = w.Cohort
		plan, known := plans[w.Plan]
		if !known && (w.Override == nil || w.Nominal == nil) {
			unknown[w.Cohort] = true
		}
		most, nominal := plan.Limit, plan.Limit
		if w.Override != nil {
			most, nominal = *w.Override, *w.Override
		}
		if plan.Nominal != nil {
			nominal = *plan.Nominal
		}
		if w.Nominal != nil {
			nominal = *w.Nominal
		}
		limits[w.Cohort] += min(most, nominal)
	}
	for cohort := range unknown {
		delete(limits, cohort)
	}
	for _, c := range global {
		if c.At.After(at(second)) {
			continue
		}
		delete(limits, "")
		if c.Limit != nil {
			limits[""] = *c.Limit
		}
	}
	return limits, cohorts
}

// The naive judgement looks at every claim by itself, counts all slots at its instant, and tries every second within the
// slack.
func TestJudgeSharedAgreesWithTheNaiveOne(t *testing.T) {
	t.Parallel()
	found, excused := 0, 0
	judge := func(t *rapid.T) {
		maybe := func(name string, most int) *int {
			if n := rapid.IntRange(-2, most).Draw(t, name); n >= 0 {
				return &n
			}
			return nil
		}
		var changes []Change
		second := 0
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			second += rapid.IntRange(0, 3).Draw(t, "later")
			c := Change{At: at(second), Plan: rapid.SampledFrom([]string{"A", "A", "B"}).Draw(t, "plan"), Nominal: maybe("nominal", 3)}
			if rapid.IntRange(0, 2).Draw(t, "of a workspace") > 0 {
				c.Workspace, c.Override = id(rapid.IntRange(1, 4).Draw(t, "workspace")), maybe("limit of its own", 4)
				c.Cohort = rapid.SampledFrom([]string{"", "eu", "eu", "us"}).Draw(t, "cohort")
			} else {
				c.Limit = rapid.IntRange(0, 3).Draw(t, "limit")
			}
			changes = append(changes, c)
		}
		var global []GlobalChange
		second = 0
		for range rapid.IntRange(0, 4).Draw(t, "global changes") {
			second += rapid.IntRange(0, 6).Draw(t, "later")
			global = append(global, GlobalChange{At: at(second), Limit: maybe("global limit", 6)})
		}
		held := make([]Held, rapid.IntRange(0, 16).Draw(t, "slots"))
		for i := range held {
			from := rapid.IntRange(0, 20).Draw(t, "from")
			held[i] = slot(i, from, rapid.SampledFrom([]int{-1, from, from + 1, from + 6}).Draw(t, "to")).of(rapid.IntRange(1, 5).Draw(t, "holder"))
			held[i].Reopened = rapid.IntRange(0, 5).Draw(t, "reopened") == 0
		}
		slack, since := rapid.IntRange(0, 3).Draw(t, "slack"), rapid.IntRange(0, 8).Draw(t, "since")

		overAt := func(claim Held, second int, ofAll bool) bool {
			limits, cohorts := naiveShared(changes, global, second)
			pool := func(workspace uuid.UUID) string {
				if ofAll {
					return ""
				}
				return cohorts[workspace]
			}
			limit, bounded := limits[pool(claim.Workspace)]
			if !bounded || !ofAll && cohorts[claim.Workspace] == "" {
				return false
			}
			used, later := 0, 0
			for _, other := range held {
				if other.From.After(claim.From) || !other.To.IsZero() && !other.To.After(claim.From) || pool(other.Workspace) != pool(claim.Workspace) {
					continue
				}
				used++
				if other.From.Equal(claim.From) && !other.Reopened && bytes.Compare(other.ID[:], claim.ID[:]) > 0 {
					later++
				}
			}
			return used-later > limit
		}
		var want []uuid.UUID
		for _, claim := range held { // by id
			if claim.From.Equal(claim.To) || claim.From.Before(at(since)) || claim.Reopened {
				continue
			}
			for _, ofAll := range []bool{true, false} {
				second := int(claim.From.Sub(at(0)) / time.Second)
				above := overAt(claim, second, ofAll)
				for earlier := second - slack; earlier < second && above; earlier++ {
					if above = overAt(claim, earlier, ofAll); !above {
						excused++
					}
				}
				if above {
					found++
					want = append(want, claim.ID)
				}
			}
		}
		history := NewShared(changes, global)
		if got := ids(JudgeShared(held, history, at(since), time.Duration(slack)*time.Second)); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}

		workspace, from := id(rapid.IntRange(1, 5).Draw(t, "waits")), rapid.IntRange(0, 20).Draw(t, "full from")
		to := from + rapid.IntRange(0, 5).Draw(t, "full for")
		full := false
		for second := from; second <= to; second++ {
			limits, cohorts := naiveShared(changes, global, second)
			for _, name := range []string{"", cohorts[workspace]} {
				limit, bounded := limits[name]
				used := 0
				for _, h := range held {
					if !h.From.After(at(second)) && (h.To.IsZero() || h.To.After(at(second))) && (name == "" || cohorts[h.Workspace] == name) {
						used++
					}
				}
				full = full || bounded && used >= limit
			}
		}
		if got := history.Full(held, workspace, at(from), at(to)); got != full {
			t.Fatalf("full: got %t, want %t", got, full)
		}
	}
	for range 50 { // with -short, a check has one that is excused in three of four
		rapid.Check(t, judge)
		if found > 0 && excused > 0 {
			return
		}
	}
	require.Fail(t, "nothing was found, or nothing excused", "%d and %d", found, excused)
}
