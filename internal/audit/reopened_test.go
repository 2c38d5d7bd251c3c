package audit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAReopenedExecutionIsUsageAndNoClaim(t *testing.T) {
	t.Parallel()
	limits := NewLimits([]Change{{At: at(0), Plan: "A", Limit: 1}, {At: at(0), Workspace: id(1), Plan: "A"}})
	reset := func(n, before, again int) Reopening {
		return Reopening{ID: id(100 + n), Before: at(before), At: at(again)}
	}
	for name, tt := range map[string]struct {
		held       []Held
		reopenings []Reopening
		above      int
	}{
		"another one started in between":   {[]Held{slot(1, 1, 20), slot(2, 5, 7)}, []Reopening{reset(1, 4, 8)}, 0},
		"it begins beside another one":     {[]Held{slot(1, 1, 20), slot(2, 5, 12)}, []Reopening{reset(1, 4, 8)}, 0},
		"a claim while it holds a slot":    {[]Held{slot(1, 1, 20), slot(2, 9, 12)}, []Reopening{reset(1, 4, 8)}, 1},
		"a claim before it was committed":  {[]Held{slot(1, 1, 20), {ID: id(102), Workspace: id(1), From: at(8).Add(3 * time.Millisecond), To: at(12)}}, []Reopening{reset(1, 4, 8)}, 0},
		"it ended at once":                 {[]Held{{ID: id(101), Workspace: id(1), From: at(1), To: at(8).Add(time.Millisecond)}, slot(2, 9, 12)}, []Reopening{reset(1, 4, 8)}, 0},
		"it still holds it":                {[]Held{slot(1, 1, -1), slot(2, 9, 12)}, []Reopening{reset(1, 4, 8)}, 1},
		"reset twice, a claim in each gap": {[]Held{slot(1, 1, 20), slot(2, 5, 7), slot(3, 11, 14)}, []Reopening{reset(1, 10, 15), reset(1, 4, 8)}, 0},
		"started late, beside another one": {[]Held{slot(1, 1, 20), slot(2, 5, 12)}, []Reopening{{ID: id(102), At: at(5)}}, 0},
		"nothing was reopened":             {[]Held{slot(1, 1, 20), slot(2, 5, 7)}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := JudgeClaims(WithReopenings(tt.held, tt.reopenings), limits, at(0).Add(-time.Hour), 0)
			require.EqualValues(t, tt.above, got.Above.Total)
			require.Len(t, got.Above.First, tt.above)
			require.Zero(t, got.Unknown)
		})
	}
}
