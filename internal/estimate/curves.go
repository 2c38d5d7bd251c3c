package estimate

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	"sluice/internal/admission/slots"
)

// Runs is how often a snapshot is played on.
const Runs = 39

// Most is how many steps all runs together may take: about the starts that are played.
const Most = 1_500_000

// farther is how much farther into a line it is extrapolated than it was played.
const farther = 4

// Curves are those of a snapshot's workspaces.
func Curves(s Snapshot) []Curve { return curves(s, Most) }

func curves(s Snapshot, most int) []Curve {
	parts := divide(&s)
	all := 0
	for _, p := range parts {
		all += p.size()
	}
	r := &run{step: s.AgeingStep, fleet: slots.Known(s.Fleet.mean), longest: s.Longest, turnaround: s.Turnaround}
	for i := range s.Workspaces {
		r.oldest = max(r.oldest, s.Workspaces[i].Arrivals.First)
	}
	result := make([]Curve, len(s.Workspaces))
	for _, p := range parts {
		share := max(leastSteps, most/Runs*p.size()/max(all, 1))
		for number := range Runs {
			r.play(p, number+1, share)
		}
		for i, place := range p.places {
			result[place] = p.curves[i].curve(&p.workspaces[i])
		}
	}
	return result
}

// leastSteps are those of a run of the smallest part.
const leastSteps = 50

// size is how much there is to play.
func (p *part) size() int {
	n := 0
	for i := range p.workspaces {
		n += 8 + p.in.Workspaces[i].Ready
	}
	return n
}

// fill extrapolates the points that a run did not come to.
func (r *run) fill(number int) {
	for i := range r.curves {
		c := &r.curves[i]
		last, half := -1, -1
		for n := range c.starts {
			if len(c.starts[n]) == number && (last < 0 || c.number[n] > c.number[last]) {
				last = n
			}
		}
		for n := range c.starts {
			if last >= 0 && len(c.starts[n]) == number && c.number[n] <= c.number[last]/2 && (half < 0 || c.number[n] > c.number[half]) {
				half = n
			}
		}
		for n := range c.starts {
			if len(c.starts[n]) == number {
				continue
			}
			at := math.Inf(1)
			if half >= 0 && c.number[last] >= 8 && c.number[n] <= farther*c.number[last] {
				from, to := c.starts[half][number-1], c.starts[last][number-1]
				at = to + max(0, c.number[n]-c.number[last])*(to-from)/(c.number[last]-c.number[half])
			}
			c.starts[n] = append(c.starts[n], at)
		}
	}
}

// curve takes the second and the last but one of each point's starts.
func (c *points) curve(w *Workspace) Curve {
	if c.why != "" {
		return Curve{Why: c.why}
	}
	type timed struct {
		Point
		time int // when it arrives, in probeTimes
	}
	all := make([]timed, len(c.due))
	for n, starts := range c.starts {
		slices.Sort(starts)
		all[n] = timed{Point{Due: c.due[n], ID: c.ids[n], After: seconds(starts[1]), Before: seconds(starts[Runs-2])}, c.time[n]}
	}
	slices.SortStableFunc(all, func(a, b timed) int { return cmp.Or(cmp.Compare(a.Due, b.Due), bytes.Compare(a.ID[:], b.ID[:])) })
	result := Curve{}
	if w.More {
		result.Why = TooFar
	}
	// Who is due earlier starts earlier, unless it arrives later: one of priority 1 in a minute holds up none of priority 3 before that.
	var after, before [len(probeTimes)]time.Duration // by when they arrive at the latest
	for _, p := range all {
		for n := p.time; n < len(probeTimes); n++ {
			after[n], before[n] = max(after[n], p.After), max(before[n], p.Before)
		}
		if before[p.time] == never {
			result.Why = TooFar
			if slices.ContainsFunc(w.Held, func(s Slot) bool { return s.Stuck }) {
				result.Why = Unserved
			}
			break
		}
		result.Points = append(result.Points, Point{p.Due, after[p.time], before[p.time], p.ID})
	}
	return result
}

func seconds(s float64) time.Duration {
	if s >= longest {
		return never
	}
	return time.Duration(s * float64(time.Second))
}
