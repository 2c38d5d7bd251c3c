package simulate

import "time"

// Course is how many executions of a workspace waited and ran over time: on average over each of some steps that are equally long.
type Course struct {
	Waiting, Running []float64
}

// Course divides the time from one moment to another into n steps. What was never started waits to the end.
func (r Report) Course(executions []Execution, workspace int, from, to time.Duration, n int) Course {
	c := Course{make([]float64, n), make([]float64, n)}
	if n == 0 || to <= from {
		return c
	}
	step := float64(to-from) / float64(n)
	for i, e := range executions {
		if e.Workspace != workspace {
			continue
		}
		start := r.Started[i]
		if start < 0 {
			spread(c.Waiting, float64(e.At-from), float64(to-from), step)
			continue
		}
		spread(c.Waiting, float64(e.At-from), float64(start-from), step)
		spread(c.Running, float64(start-from), float64(start+e.Runs-from), step)
	}
	return c
}

// spread adds to each step the part of it that lies between two moments.
func spread(steps []float64, from, to, step float64) {
	from, to = max(0, from), min(to, step*float64(len(steps)))
	for i := int(from / step); i < len(steps) && float64(i)*step < to; i++ {
		steps[i] += (min(to, float64(i+1)*step) - max(from, float64(i)*step)) / step
	}
}
