package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
)

const aboutFairness = `The policy in virtual time, the same on every machine. The flood: one workspace with 20,000
pending, and 100 with 5 each that come later, for 50 slots; the longest wait of a small one, which is no less than
their p99, against their p99 without the flood, with a limit of 5 and of 50 for each small one; the worse counts.
Saturation: 200 workspaces with weights from 1 to 8 and endless work for 50 slots. The lag is the most that any
workspace was behind the ideal fluid schedule in the flood or in saturation. These count starts. With slot time counted:
saturation with executions of 0.1, 1, 10 and 100 seconds; 100 executions of a second behind a flood of 100-second ones on
ten slots, the longest wait against 100 seconds. Weights: 10 to 1 beside 60 workspaces that come and go, for an hour, both ways.`

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
	slotTime, err := differing()
	if err != nil {
		return nil, err
	}
	behind, err := behindLong()
	if err != nil {
		return nil, err
	}
	weights, err := besideNewcomers()
	if err != nil {
		return nil, err
	}
	return []figure{
		{"flood", "times", worst}, {"jain", "", r.Fairness.Jain}, {"lag", "executions", max(lag, r.Fairness.MaxLag)},
		{"utilisation", "", r.Utilisation}, {"slottime.jain", "", slotTime.Jain}, {"slottime.flood", "times", behind}, {"weights", "times", weights},
	}, nil
}

// differing is a saturation in which executions take from a tenth of a second to 100 seconds, by workspace.
func differing() (*simulate.Fairness, error) {
	rnd := rand.New(rand.NewPCG(7, 7))
	c := simulate.Config{Global: fairSlots, Batch: fairSlots, SlotTime: true, Until: 15 * time.Minute}
	for n := range 200 {
		runs := float64(100*time.Millisecond) * math.Pow10(n%4)
		c.Workspaces = append(c.Workspaces, ofWeight(fairSlots, 1+rnd.IntN(8)))
		for range int(float64(c.Until) / runs) {
			c.Executions = append(c.Executions, simulate.Execution{Workspace: n, Priority: 3, Runs: time.Duration(rnd.ExpFloat64() * runs)})
		}
	}
	r, err := simulate.Run(c)
	if err != nil {
		return nil, fmt.Errorf("simulate saturation with executions that differ: %w", err)
	}
	return r.SlotTime, nil
}

// behindLong is how long the last of 100 executions of a second waits behind a flood of 100-second ones on ten slots, of what
// it would wait on its half of the slots alone once they come free: one long execution.
func behindLong() (float64, error) {
	const long = 100 * time.Second
	c := simulate.Config{Global: 10, SlotTime: true, Until: time.Hour}
	c.Workspaces, c.Executions = simulate.Generate(3, simulate.Class{Workspace: ofWeight(10, 1), Count: 1, Executions: 1000, Runs: long},
		simulate.Class{Workspace: ofWeight(10, 1), Count: 1, Executions: 100, From: 20 * time.Minute, Runs: time.Second, Fixed: true})
	r, err := simulate.Run(c)
	if err != nil {
		return 0, fmt.Errorf("simulate a flood of long executions: %w", err)
	}
	return ratio(r.Workspaces[1].Waits.Max, long), nil
}

// besideNewcomers is by how many times the shares of two workspaces of weights 10 and 1 miss their weights beside 60 that come
// with one execution each, whichever is shared: starts or slot time.
func besideNewcomers() (worst float64, err error) {
	const runs = 100 * time.Millisecond
	for _, slotTime := range []bool{false, true} {
		c := simulate.Config{Global: 1, Batch: 1, SlotTime: slotTime, Until: time.Hour, Workspaces: []simulate.Workspace{ofWeight(1, 1), ofWeight(1, 10)}}
		for range int(c.Until / runs) {
			c.Executions = append(c.Executions, simulate.Execution{Workspace: 0, Priority: 3, Runs: runs}, simulate.Execution{Workspace: 1, Priority: 3, Runs: runs})
		}
		for n := range 60 {
			c.Workspaces = append(c.Workspaces, ofWeight(1, 1))
			for at := time.Duration(n) * 3 * runs; at < c.Until; at += 180 * runs {
				c.Executions = append(c.Executions, simulate.Execution{Workspace: 2 + n, At: at, Priority: 3, Runs: runs})
			}
		}
		r, err := simulate.Run(c)
		if err != nil {
			return 0, fmt.Errorf("simulate newcomers: %w", err)
		}
		share := r.Workspaces[1].Utilisation / r.Workspaces[0].Utilisation / 10
		worst = max(worst, share, 1/share)
	}
	return worst, nil
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
