package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every scenario is there to be judged by something, and a gate is about a scenario (or reading would fail).
func TestEveryScenarioHasAGate(t *testing.T) {
	t.Parallel()
	gates, err := readGates()
	require.NoError(t, err)
	for _, s := range scenarios {
		runs := [][]figure{nil}
		_, err := judge(s, runs, gates)
		require.ErrorContains(t, err, "has a gate", s.name)
	}
}

func TestGatesThatMakeNoSense(t *testing.T) {
	t.Parallel()
	for want, raw := range map[string]string{
		"belongs to no scenario":   `[{"figure": "speed.ratio", "atMost": 1}]`,
		"either atMost or atLeast": `[{"figure": "claim.deep"}]`,
		"needs either":             `[{"figure": "claim.deep", "atMost": 1, "atLeast": 0}]`,
		"there twice":              `[{"figure": "claim.deep", "atMost": 1}, {"figure": "claim.deep", "atMost": 2}]`,
		"unknown field":            `[{"figure": "claim.deep", "most": 1}]`,
	} {
		_, err := parseGates([]byte(raw))
		require.ErrorContains(t, err, want)
	}
}

func TestAGateIsMetUpToItsLimit(t *testing.T) {
	t.Parallel()
	limit := 2.0
	most, least := gate{AtMost: &limit}, gate{AtLeast: &limit}
	for value, want := range map[float64][2]bool{1.9: {true, false}, 2: {true, true}, 2.1: {false, true}} {
		require.Equal(t, want, [2]bool{most.met(value), least.met(value)}, value)
	}
	require.False(t, most.met(math.NaN()), "nothing was measured")
	require.False(t, least.met(math.NaN()))
}

func TestTheMedianOfTheRunsIsJudged(t *testing.T) {
	t.Parallel()
	limit := 2.0
	gates := []gate{{Figure: "claim.deep", Unit: "times", AtMost: &limit}}
	s := scenario{name: "claim"}
	runs := [][]figure{{{"deep", "times", 9}, {"other", "", 1}}, {{"deep", "times", 1}, {"other", "", 1}}, {{"deep", "times", 2}, {"other", "", 1}}}
	sum, err := judge(s, runs, gates)
	require.NoError(t, err)
	require.Equal(t, line{name: "claim.deep", unit: "times", median: 2, low: 1, high: 9, gate: &gates[0]}, sum.lines[0])
	require.Nil(t, sum.lines[1].gate)
	require.Zero(t, report{sections: []section{sum}}.missed())
}
