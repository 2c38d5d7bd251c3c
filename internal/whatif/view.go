package whatif

import (
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission/simulate"
)

// View is a comparison as one workspace may see it. All times in it are those of its own executions.
type View struct {
	From       time.Time // when its first execution became available
	Executions int
	Step       time.Duration // between two values of a course; zero: it has no length
	Now, Then  ViewSide
}

// ViewSide is how it would have gone for it with the limits as they are, or with the others.
type ViewSide struct {
	Limit        int // how many it may run at once
	Waits        simulate.Waits
	NeverStarted int
	Lasts        time.Duration // until its last execution ended
	Utilisation  float64       // how much of its limit it used on average, until then
	Course       simulate.Course
}

// Of is what concerns a workspace of a comparison, with courses of so many steps. It is the zero View where nothing of it has run.
func (c Comparison) Of(id uuid.UUID, steps int) (v View) {
	i := slices.IndexFunc(c.Workspaces, func(w Compared) bool { return w.ID == id })
	if i < 0 {
		return v
	}
	w := c.Workspaces[i]
	begin, end := c.Now.comes(w.place)
	v.From, v.Executions = c.From.Add(begin), w.Executions
	nowEnds, thenEnds := c.Now.ends(w.place), c.Then.ends(w.place)
	end = max(end, nowEnds, thenEnds)
	v.Step = (end - begin) / time.Duration(max(1, steps))
	v.Now, v.Then = c.Now.of(w.place, w.Now, begin, nowEnds), c.Then.of(w.place, w.Then, begin, thenEnds)
	v.Now.Course, v.Then.Course = c.Now.Course(c.Now.Config.Executions, w.place, begin, end, steps), c.Then.Course(c.Then.Config.Executions, w.place, begin, end, steps)
	return v
}

// comes is when the first and the last execution of a workspace that has some became available.
func (s Side) comes(workspace int) (first, last time.Duration) {
	first = math.MaxInt64
	for _, e := range s.Config.Executions {
		if e.Workspace == workspace {
			first, last = min(first, e.At), max(last, e.At)
		}
	}
	return first, last
}

// ends is when the last execution of a workspace ended; zero: none was started.
func (s Side) ends(workspace int) (end time.Duration) {
	for i, e := range s.Config.Executions {
		if e.Workspace == workspace && s.Started[i] >= 0 {
			end = max(end, s.Started[i]+e.Runs)
		}
	}
	return end
}

func (s Side) of(workspace int, o simulate.Outcome, begin, end time.Duration) ViewSide {
	v := ViewSide{Limit: s.Config.Workspaces[workspace].Ceiling, Waits: o.Waits, NeverStarted: o.NeverStarted, Lasts: max(0, end-begin)}
	if v.Lasts > 0 && v.Limit > 0 {
		used := s.Course(s.Config.Executions, workspace, begin, end, 1).Running[0]
		v.Utilisation = used / float64(v.Limit)
	}
	return v
}
