package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

//go:embed gates.json
var gatesFile []byte

// gate is what one figure must reach.
type gate struct {
	Figure  string   `json:"figure"` // scenario.figure
	What    string   `json:"what"`
	Unit    string   `json:"unit"`
	AtMost  *float64 `json:"atMost"`
	AtLeast *float64 `json:"atLeast"`
}

func readGates() ([]gate, error) { return parseGates(gatesFile) }

func parseGates(raw []byte) (gates []gate, err error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&gates); err != nil {
		return nil, fmt.Errorf("read the gates: %w", err)
	}
	seen := map[string]bool{}
	for _, g := range gates {
		name, _, _ := strings.Cut(g.Figure, ".")
		if _, err := choose([]string{name}); err != nil {
			return nil, fmt.Errorf("gate %q belongs to no scenario", g.Figure)
		}
		if (g.AtMost == nil) == (g.AtLeast == nil) {
			return nil, fmt.Errorf("gate %q needs either atMost or atLeast", g.Figure)
		}
		if seen[g.Figure] {
			return nil, fmt.Errorf("gate %q is there twice", g.Figure)
		}
		seen[g.Figure] = true
	}
	return gates, nil
}

// limit is the gate as people read it.
func (g gate) limit() string {
	if g.AtMost != nil {
		return "at most " + withUnit(*g.AtMost, g.Unit)
	}
	return "at least " + withUnit(*g.AtLeast, g.Unit)
}

// met tells whether the value is good enough. What is not a number never is.
func (g gate) met(value float64) bool {
	if g.AtMost != nil {
		return value <= *g.AtMost
	}
	return value >= *g.AtLeast
}

// section is a scenario in the report.
type section struct {
	scenario scenario
	lines    []line
}

// line is one figure over all runs.
type line struct {
	name              string // scenario.figure
	unit              string
	median, low, high float64
	gate              *gate // nil: only told
}

// judge sums the runs of a scenario up. A gate whose figure the scenario did not measure is an error.
func judge(s scenario, runs [][]figure, gates []gate) (section, error) {
	sum := section{scenario: s}
	values := map[string][]float64{}
	for n, run := range runs {
		for _, f := range run {
			name := s.name + "." + f.name
			values[name] = append(values[name], f.value)
			if n == 0 {
				sum.lines = append(sum.lines, line{name: name, unit: f.unit})
			}
		}
	}
	for i := range sum.lines {
		l := &sum.lines[i]
		of := values[l.name]
		l.median, l.low, l.high = median(of), quantile(of, 0), quantile(of, 1)
	}
	for _, g := range gates {
		if name, _, _ := strings.Cut(g.Figure, "."); name != s.name {
			continue
		}
		found := false
		for i := range sum.lines {
			if sum.lines[i].name == g.Figure && sum.lines[i].unit == g.Unit {
				sum.lines[i].gate, found = &g, true
			}
		}
		if !found {
			return sum, fmt.Errorf("scenario %s has not measured %s in %q, which has a gate", s.name, g.Figure, g.Unit)
		}
	}
	return sum, nil
}

// quantile is the smallest of the values that at least so large a share of them does not exceed; 0 of none.
func quantile[T cmp.Ordered](values []T, share float64) T {
	var zero T
	if len(values) == 0 {
		return zero
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(share * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle value, or the mean of the two in the middle; 0 of none.
func median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// ratio is how many times b a is; not a number when there is nothing to compare with, which no gate accepts.
func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return math.NaN()
	}
	return float64(a) / float64(b)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// quantiles compares a sample with its floor: the ratios, and what they are made of.
func quantiles(prefix string, sample, floor []time.Duration) []figure {
	var figures []figure
	for _, q := range []struct {
		name  string
		share float64
	}{{"p50", 0.5}, {"p99", 0.99}} {
		of, than := quantile(sample, q.share), quantile(floor, q.share)
		figures = append(figures,
			figure{prefix + q.name, "times", ratio(of, than)},
			figure{prefix + q.name + ".ms", "ms", milliseconds(of)},
			figure{prefix + q.name + ".floor.ms", "ms", milliseconds(than)})
	}
	return figures
}
