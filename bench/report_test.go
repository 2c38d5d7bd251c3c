package main

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

// sample is a report with a gate met, one missed, and one whose figure could not be measured.
func sample() report {
	most, least := 2.0, 20000.0
	return report{
		options: options{scale: full, only: []string{"claim", "engine"}, repeat: 3},
		machine: machine{cores: 2, system: "linux/amd64", goes: "go1.26", postgres: []string{"PostgreSQL 15.1 (fsync on)"}, temporal: []string{"1.29.1"}},
		began:   time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), took: 90*time.Minute + 400*time.Millisecond,
		sections: []section{
			{scenario{name: "claim", about: "What a claim costs."}, []line{
				{name: "claim.deep", unit: "times", median: 1.2345678, low: 1, high: 1.5, gate: &gate{What: "a deep backlog, of a shallow one", Unit: "times", AtMost: &most}},
				{name: "claim.deep.ms", unit: "ms", median: 0.01234, low: 0.01234, high: 0.01234},
				{name: "claim.capped", unit: "times", median: math.NaN(), low: math.NaN(), high: math.NaN(), gate: &gate{What: "the same & capped", Unit: "times", AtMost: &most}},
			}},
			{scenario{name: "engine", about: "Admission alone."}, []line{
				{name: "engine.batch100", unit: "per s", median: 12345.6, low: 9000, high: 14000, gate: &gate{What: "admission alone", Unit: "per s", AtLeast: &least}},
			}},
		},
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	r := sample()
	var text strings.Builder
	require.NoError(t, r.markdown(&text))
	golden(t, "report.md", text.String())
	golden(t, "chart.svg", r.chart())
	require.Equal(t, 2, r.missed())
}

func TestASmallRunJudgesNothing(t *testing.T) {
	t.Parallel()
	r := sample()
	r.options.scale = small
	var text strings.Builder
	require.NoError(t, r.markdown(&text))
	require.NotContains(t, text.String(), "missed")
	require.Contains(t, text.String(), "not judged")
	require.NotContains(t, r.chart(), "#c62828")
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
