package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"

	"sluice/internal/admission/slots"
)

// Class describes a kind of workspaces of a generated trace.
type Class struct {
	Workspace                // what each of them may use; its Name is the prefix of theirs
	Count      int           // of workspaces
	Executions int           // of each
	From       time.Duration // when the first may become available
	Over       time.Duration // in which they become available, evenly at random; zero: all at once
	Runs       time.Duration // how long each runs: exponentially distributed with this mean, or exactly if Fixed
	Fixed      bool
	Types      []Type // each is of one of these at random, and runs as those do; none: all are of one type
	Priorities []int  // one of these at random, each as often as it stands here; 3 if none
}

// Type is a workflow type, or a definition.
type Type struct {
	Name  string
	Runs  time.Duration // as in Class
	Often int           // how often it comes among the others; at least 1
}

// Generate makes the workspaces and executions of these classes; the same seed gives the same.
func Generate(seed uint64, classes ...Class) (workspaces []Workspace, executions []Execution) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, c := range classes {
		for n := range c.Count {
			w := c.Workspace
			w.Name = numbered(w.Name, n, c.Count)
			workspaces = append(workspaces, w)
			for range c.Executions {
				e := Execution{Workspace: len(workspaces) - 1, At: c.From, Priority: 3, Runs: c.Runs}
				if c.Over > 0 {
					e.At += time.Duration(rnd.Int64N(int64(c.Over)))
				}
				if len(c.Types) > 0 {
					of := drawType(rnd, c.Types)
					e.Runs, e.Kind = of.Runs, slots.Kind{Type: of.Name}
				}
				if !c.Fixed {
					e.Runs = time.Duration(rnd.ExpFloat64() * float64(e.Runs))
				}
				if len(c.Priorities) > 0 {
					e.Priority = c.Priorities[rnd.IntN(len(c.Priorities))]
				}
				executions = append(executions, e)
			}
		}
	}
	return workspaces, executions
}

func drawType(rnd *rand.Rand, types []Type) Type {
	all := 0
	for _, t := range types {
		all += t.Often
	}
	n := rnd.IntN(all)
	for _, t := range types {
		if n -= t.Often; n < 0 {
			return t
		}
	}
	return types[0]
}

func numbered(prefix string, n, of int) string {
	if of == 1 {
		return prefix
	}
	return fmt.Sprintf("%s-%d", prefix, n+1)
}
