package whatif

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission/simulate"
)

// Comparison is how it would have gone with the limits as they are, and with the others.
type Comparison struct {
	From       time.Time // when the first execution became available; zero: none has run, or none is on record
	CutOff     bool      // earlier ones were left out: there are more than the question reads
	Executions int
	Now, Then  Side
	Priorities []ComparedPriority
	Workspaces []Compared // with executions: those with what never starts first, then the longest waits
}

// Side is one of two simulations.
type Side struct {
	simulate.Report
	Config simulate.Config
}

// Compared is how it would have gone for one workspace.
type Compared struct {
	ID         uuid.UUID // nil: it is made up
	Name       string
	Executions int
	Now, Then  simulate.Outcome

	place int // in the simulations
}

// ComparedPriority is the same for the executions of one priority.
type ComparedPriority struct {
	Priority   int
	Executions int
	Now, Then  simulate.PriorityOutcome
}

// Compare plays two configurations of the same executions and workspaces, until the context ends.
func Compare(ctx context.Context, now, then simulate.Config) (c Comparison, err error) {
	c.Executions = len(now.Executions)
	if c.Now, err = play(ctx, now); err != nil {
		return c, fmt.Errorf("simulate the limits as they are: %w", err)
	}
	if c.Then, err = play(ctx, then); err != nil {
		return c, fmt.Errorf("simulate the other limits: %w", err)
	}
	for i, o := range c.Now.Workspaces {
		if n := o.Executions + o.NeverStarted; n > 0 {
			c.Workspaces = append(c.Workspaces, Compared{Name: o.Name, Executions: n, Now: o, Then: c.Then.Workspaces[i], place: i})
		}
	}
	slices.SortStableFunc(c.Workspaces, func(a, b Compared) int {
		return cmp.Or(cmp.Compare(max(b.Now.NeverStarted, b.Then.NeverStarted), max(a.Now.NeverStarted, a.Then.NeverStarted)),
			cmp.Compare(max(b.Now.Waits.P99, b.Then.Waits.P99), max(a.Now.Waits.P99, a.Then.Waits.P99)))
	})
	var byPriority [5]int
	for _, e := range now.Executions {
		byPriority[e.Priority-1]++
	}
	for i, n := range byPriority {
		if n > 0 {
			c.Priorities = append(c.Priorities, ComparedPriority{i + 1, n, c.Now.Priorities[i], c.Then.Priorities[i]})
		}
	}
	return c, nil
}

func play(ctx context.Context, c simulate.Config) (Side, error) {
	c.Stop = ctx.Err
	r, err := simulate.Run(c)
	return Side{r, c}, err
}
