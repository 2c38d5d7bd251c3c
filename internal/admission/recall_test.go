package admission

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A clock stands at 100 seconds, and the longest execution of late has taken ten.
func TestWhatIsOnRecordCountsWhereItMayBeOfThisClock(t *testing.T) {
	t.Parallel()
	at := func(seconds int) VirtualTime { return SlotTime(time.Duration(seconds) * time.Second) }
	for name, c := range map[string]struct {
		held     int // seconds that are still to come of a slot; zero: it holds none
		weight   int
		on, want int // seconds; want zero: it begins at the clock, as any that comes
	}{
		"behind the clock":                         {weight: 1, on: 90},
		"by less than the longest ahead of it":     {weight: 1, on: 105, want: 105},
		"by more, so of another clock":             {weight: 1, on: 111},
		"the same of a heavy one":                  {weight: 5, on: 105},
		"a day ahead":                              {weight: 1, on: 86_500},
		"less than what it holds":                  {held: 30, weight: 1, on: 125, want: 130},
		"more than that, by less than the longest": {held: 30, weight: 1, on: 138, want: 138},
		"by more than the longest":                 {held: 30, weight: 1, on: 141, want: 130},
	} {
		for _, inCohort := range []bool{false, true} {
			in := Input{CountsSlotTime: true, Longest: at(10), Clocks: Clocks{at(100)}, Cohorts: []Cohort{{Clocks: Clocks{at(100)}, Weight: c.weight}}}
			w := plain(1, 9, 0, 9).with(func(w *Workspace) { w.Weight = c.weight })
			if inCohort {
				w.Cohort = 0
			}
			if c.held > 0 {
				in.Start(&w, Own, at(c.held))
			}
			in.Recall(&w, Tags{at(c.on)}, Stood{})
			k := &in.Cohorts[0]
			if inCohort {
				in.RecallCohort(k, Tags{at(c.on)}, Stood{})
				require.Equal(t, w.Places, k.Places, name)
			}
			if c.want == 0 {
				require.Equal(t, Outside, w.Places[Own], name)
				continue
			}
			require.Equal(t, Ahead, w.Places[Own], name)
			require.Equal(t, at(c.want), w.Tags[Own], name)
			if inCohort {
				require.Equal(t, at(c.want), k.Tags[Own], name)
			}
		}
	}
}

// A process looked last when the clock stood at 95 seconds. Now it stands at 100, and the workspace has had work all the time.
func TestWhatIsOwedToWhoHasHadWorkCountsAfterALoad(t *testing.T) {
	t.Parallel()
	at := func(seconds int) VirtualTime { return SlotTime(time.Duration(seconds) * time.Second) }
	for name, c := range map[string]struct {
		stood     Place
		tag       int // seconds: where it stood
		held      int // that are still to come of a slot; zero: it holds none
		on        int
		want      int
		wantPlace Place
	}{
		"it waited, and nothing has happened to it":     {stood: Waiting, tag: 80, on: 80, want: 80, wantPlace: Waiting},
		"it was ahead, and now it waits":                {stood: Ahead, tag: 97, on: 97, want: 97, wantPlace: Waiting},
		"another process has served it":                 {stood: Waiting, tag: 80, on: 92, want: 92, wantPlace: Waiting},
		"another process has given it something back":   {stood: Waiting, tag: 300, held: 30, on: 110, want: 110, wantPlace: Waiting},
		"what is on record is older than that it waits": {stood: Waiting, tag: 96, on: 10, want: 95, wantPlace: Waiting},
		"what is on record is another clock's":          {stood: Waiting, tag: 80, on: 111, wantPlace: Outside},
		"it was given nothing":                          {stood: Outside, tag: 80, on: 80, wantPlace: Outside},
		"it held all it may":                            {stood: Full, tag: -5, on: 80, wantPlace: Outside},
	} {
		for _, inCohort := range []bool{false, true} {
			in := Input{CountsSlotTime: true, Longest: at(10), Clocks: Clocks{at(100)}, Cohorts: []Cohort{{Clocks: Clocks{at(100)}, Weight: 1}}}
			w := plain(1, 9, 0, 9)
			if inCohort {
				w.Cohort = 0
			}
			if c.held > 0 {
				in.Start(&w, Own, at(c.held))
			}
			stood := Stood{Places: Places{c.stood}, Tags: Tags{at(c.tag)}, Clocks: Clocks{at(95)}}
			in.Recall(&w, Tags{at(c.on)}, stood)
			require.Equal(t, c.wantPlace, w.Places[Own], name)
			if c.want > 0 {
				require.Equal(t, at(c.want), w.Tags[Own], name)
			}
			if k := &in.Cohorts[0]; inCohort {
				in.RecallCohort(k, Tags{at(c.on)}, stood)
				require.Equal(t, w.Places, k.Places, name)
				require.True(t, c.want == 0 || k.Tags == w.Tags, name)
			}
		}
	}
}

func TestWhereStartsAreCountedNothingIsRecalled(t *testing.T) {
	t.Parallel()
	in, w := Input{}, plain(1, 9, 0, 9)
	in.Recall(&w, Tags{Stride, Stride}, Stood{})
	require.Equal(t, Places{}, w.Places)
	require.Equal(t, Tags{}, w.Tags)
}
