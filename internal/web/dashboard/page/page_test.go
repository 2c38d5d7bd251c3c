package page

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store/figures"
)

func TestFiguresAreWrittenAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1200: "−1,200"} {
		require.Equal(t, want, Count(n))
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 12 * time.Millisecond: "12ms", 1500 * time.Millisecond: "1.5s", 59 * time.Second: "59s", 200 * time.Second: "3m20s",
		5*time.Hour + 3*time.Minute: "5h03m", 49 * time.Hour: "2d"} {
		require.Equal(t, want, Span(d))
	}
	for n, want := range map[int]string{0: "0/s", 7: "7/min", 90: "1.5/s", 6000: "100/s"} {
		require.Equal(t, want, Rate(n))
	}
	now := time.Now()
	require.Equal(t, "now", Ago(now.Add(2*time.Second), now), "a page may show what happened after its moment")
	require.Equal(t, "in 1m00s", Ago(now.Add(time.Minute), now))
	require.Equal(t, "in 2h00m", Ago(now.Add(2*time.Hour-time.Second), now), "it was asked for a moment ago")
	require.Equal(t, "in 1m30s", Ago(now.Add(90*time.Second-300*time.Millisecond), now))
	require.Equal(t, "in 1h59m", Ago(now.Add(2*time.Hour-3*time.Second), now))
	require.Equal(t, "5s ago", Ago(now.Add(-5*time.Second), now))
	require.Equal(t, "a b…", OneLine("a\n b\tc", 4))
	require.NotContains(t, OneLine("a\u202eb", 10), "\u202e")
}

// What is not known is a gap, and no zero.
func TestAPlotHasGapsWhereNothingIsKnown(t *testing.T) {
	t.Parallel()
	values := []float64{1, 2, math.NaN(), 4, math.NaN()}
	require.Equal(t, 2, strings.Count(line(values, 4, 100, 10), "M"))
	require.Equal(t, 2, strings.Count(under(values, 4, 100, 10), "Z"))
	require.NotContains(t, line(values, 4, 100, 10)+under(values, 4, 100, 10), "NaN")
	p := Plot{Stacked: true, Lines: []Line{{"a", "r-a", values}, {"b", "r-b", []float64{3, 3, math.NaN(), 3, math.NaN()}}}}
	require.Equal(t, 10.0, p.top(), "they stand on one another")
	require.Len(t, p.areas(), 2)
	var data []struct{ Values []*int }
	require.NoError(t, json.Unmarshal([]byte(p.data()), &data))
	require.Nil(t, data[0].Values[2])
	require.Equal(t, 40, *data[0].Values[3])
	for v, want := range map[float64]float64{0: 0.1, 0.3: 0.5, 1: 1, 11: 20, 101: 200} {
		require.InDelta(t, want, roundUp(v), 1e-9)
	}
	require.Len(t, thin(make([]float64, 180), 60), 60)
}

// An entry of the history has all that was set then; a page tells what was other than before.
func TestTheHistoryOfLimitsTellsWhatChanged(t *testing.T) {
	t.Parallel()
	entry := func(action, details string) figures.Changed {
		return figures.Changed{Action: action, Details: json.RawMessage(details)}
	}
	got := changes([]figures.Changed{ // newest first
		entry("limits-changed", `{"plan": "PRO", "weight": 2}`),
		entry("tier-changed", `{"plan": "PRO", "maxConcurrentWorkflows": 30}`),
		entry("plan-changed", `{"plan": "PRO", "weight": 2, "maxConcurrentWorkflows": 7}`),
		entry("tier-changed", `{"plan": "PRO", "maxConcurrentWorkflows": 20}`),
		entry("workspace-created", `{"plan": "FREE", "name": "acme"}`),
	})
	require.Equal(t, []string{"running at once 7 taken away"}, got[0].texts)
	require.Equal(t, "plan PRO", got[1].of)
	require.Equal(t, []string{"running at once 20 → 30"}, got[1].texts)
	require.Equal(t, []string{"plan FREE → PRO", "running at once 7", "weight 2"}, got[2].texts)
	require.Equal(t, []string{"plan FREE", "name acme"}, got[4].texts)

	got = changes([]figures.Changed{
		entry("limits-changed", `{"plan": "PRO"}`),
		entry("temporary-limit-ended", `{"limit": "max_concurrent_workflows"}`),
		entry("temporary-limit-set", `{"limit": "max_concurrent_workflows", "to": 50, "until": "2026-11-29T18:00:30.5+01:00", "reason": "a flood"}`),
		entry("resumed", `{}`),
		entry("paused", `{"workflowType": "Mail", "reason": "it is down"}`),
		entry("limits-changed", `{"plan": "PRO", "weight": 2}`),
	})
	require.Equal(t, []string{"weight 2 taken away"}, got[0].texts, "what holds for a time takes nothing away")
	require.Equal(t, []string{"running at once fell back"}, got[1].texts)
	require.Equal(t, []string{"running at once 50 for a time, until 2026-11-29 17:00 UTC (a flood)"}, got[2].texts)
	require.Equal(t, []string{"resumed"}, got[3].texts)
	require.Equal(t, []string{"paused type Mail (it is down)"}, got[4].texts)
}

func TestEachReasonIsShownOnce(t *testing.T) {
	t.Parallel()
	seen := map[admission.Reason]bool{}
	for _, r := range Reasons {
		require.False(t, seen[r], r)
		seen[r] = true
	}
	require.True(t, seen[admission.Paused])
}
