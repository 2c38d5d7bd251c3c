package audit

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// judge shows a judge some slots in the order in which it wants them.
func judge(held []Held, limits Limits, shared Shared, since time.Time, slack time.Duration) Claims {
	held = slices.Clone(held)
	slices.SortFunc(held, byEnd)
	j := NewJudge(limits, shared, nil, since, slack)
	for _, h := range held {
		j.Add(h)
	}
	return j.Done()
}

func JudgeClaims(held []Held, limits Limits, since time.Time, slack time.Duration) Claims {
	return judge(held, limits, nil, since, slack)
}

func JudgeShared(held []Held, shared Shared, since time.Time, slack time.Duration) []Breach {
	return judge(held, nil, shared, since, slack).Shared.First
}

// A judge remembers what is held at one moment, and not what it was shown.
func TestAJudgeForgets(t *testing.T) {
	t.Parallel()
	changes := []Change{{At: at(0), Plan: "A", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A"}}
	j := NewJudge(NewLimits(changes), NewShared(changes, []GlobalChange{{At: at(0), Limit: some(1)}}), nil, at(0), 0)
	const slots = 10_000
	for n := slots; n > 0; n-- { // each is claimed when the one before has ended, and two before that
		from, to := at(0).Add(time.Duration(n)*time.Second), at(0).Add(time.Duration(n+2)*time.Second)
		j.Add(Held{ID: id(n), Workspace: id(1), From: from, To: to})
		require.LessOrEqual(t, len(j.pools.open.slots)+len(j.later.slots), 3)
	}
	claims := j.Done()
	require.EqualValues(t, slots, claims.Judged)
	require.EqualValues(t, slots-1, claims.Above.Total)
	require.EqualValues(t, slots-1, claims.Shared.Total)
	require.LessOrEqual(t, len(claims.Above.First), 2*keptBreaches)
	require.Equal(t, id(2), claims.Above.First[0].ID, "those with the lowest ids are kept")
}

// A judge that knows the reopenings sees the same as one that is shown the parts.
func TestAJudgeSplitsWhatWasReopened(t *testing.T) {
	t.Parallel()
	limits := NewLimits([]Change{{At: at(0), Plan: "A", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A"}})
	held := []Held{slot(1, 1, 30), slot(2, 5, 12), slot(3, 13, 14)}
	reopenings := []Reopening{{ID: id(101), Before: at(4), At: at(8)}, {ID: id(101), Before: at(9), At: at(11)}}
	whole := NewJudge(limits, nil, reopenings, at(0), 0)
	for _, h := range held[:1] {
		whole.Add(h)
	}
	whole.Add(held[2])
	whole.Add(held[1])
	require.Equal(t, []uuid.UUID{id(103)}, ids(whole.Done().Above.First), "102 came while it was closed, 103 when it ran again")
	require.Equal(t, whole.claims, judge(WithReopenings(held, reopenings), limits, nil, at(0), 0))
}

// What is claimed after the record of limits was read may follow one that it does not have.
func TestAJudgeLeavesOutWhatIsTooNew(t *testing.T) {
	t.Parallel()
	limits := NewLimits([]Change{{At: at(0), Plan: "A", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A"}})
	j := NewJudge(limits, nil, nil, at(0), 0)
	j.Until(at(5))
	for _, h := range []Held{slot(1, 1, -1), slot(2, 5, -1), slot(3, 6, -1)} {
		j.Add(h)
	}
	require.Equal(t, []uuid.UUID{id(102)}, ids(j.Done().Above.First))
}
