package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
)

const aboutFairness = `The policy in virtual time, the same on every machine. The flood: one workspace with 20,000
pending, and 100 with 5 each that come later, for 50 slots; the longest wait of a small one, which is no less than
their p99, against their p99 without the flood, with a limit of 5 and of 50 for each small one; the worse counts.
Saturation: 200 workspaces with weights from 1 to 8 and endless work for 50 slots. The lag is the most that any
workspace was behind the ideal fluid schedule in the flood or in saturation.`

const fairSlots = 50

func fairness(context.Context, *bench) ([]figure, error) {
	worst, lag := 0.0, 0.0
	for _, ceiling := range []int{5, fairSlots} {
		flood := simulate.Class{Workspace: ofWeight(fairSlots, 1), Count: 1, Executions: 20_000, Runs: 100 * time.Millisecond}
		small := simulate.Class{Workspace: ofWeight(ceiling, 1), Count: 100, Executions: 5, From: 10 * time.Second, Runs: 100 * time.Millisecond}
		alone, err := flooded(small)
		if err != nil {
			return nil, err
		}
		both, err := flooded(flood, small)
		if err != nil {
			return nil, err
		}
		longest := time.Duration(0)
		for _, w := range both.Workspaces[flood.Count:] {
			longest = max(longest, w.Waits.Max)
		}
		worst, lag = max(worst, ratio(longest, alone.Waits.P99)), max(lag, both.Fairness.MaxLag)
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	c := simulate.Config{Global: fairSlots, Batch: fairSlots, Until: 5 * time.Minute}
	for n := range 200 {
		weight := 1 + rnd.IntN(8)
		c.Workspaces = append(c.Workspaces, ofWeight(fairSlots, weight))
		for range 100 * weight {
			c.Executions = append(c.Executions, simulate.Execution{Workspace: n, Priority: 3, Runs: time.Duration(rnd.ExpFloat64() * float64(time.Second))})
		}
	}
	r, err := simulate.Run(c)
	if err != nil {
		return nil, fmt.Errorf("simulate saturation: %w", err)
	}
	return []figure{
		{"flood", "times", worst}, {"jain", "", r.Fairness.Jain}, {"lag", "executions", max(lag, r.Fairness.MaxLag)},
		{"utilisation", "", r.Utilisation},
	}, nil
}

// ofWeight may hold up to a ceiling, all of it its own.
func ofWeight(ceiling, weight int) simulate.Workspace {
	return simulate.Workspace{Name: "w", Weight: weight, Quota: admission.Quota{Ceiling: ceiling, Nominal: ceiling, BorrowingLimit: admission.Unlimited}}
}

// flooded simulates these for the slots of the flood.
func flooded(classes ...simulate.Class) (simulate.Report, error) {
	c := simulate.Config{Global: fairSlots}
	c.Workspaces, c.Executions = simulate.Generate(3, classes...)
	r, err := simulate.Run(c)
	if err != nil {
		return r, fmt.Errorf("simulate a flood: %w", err)
	}
	return r, nil
}
