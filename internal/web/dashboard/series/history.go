package series

import (
	"time"

	"github.com/google/uuid"

	"sluice/internal/admission"
	"sluice/internal/store/figures"
)

// history is what has happened in each of the last steps.
type history struct {
	steps map[int64]*step
	known time.Time // since when all that has happened is there
	// Executions that were read more than once count once. They are remembered for as long as they may be read again.
	started, ended map[uuid.UUID]time.Time
}

// step is what happened in Step.
type step struct {
	starts, claims, arrivals, ended, failed int
	startsOf, failedOf                      map[uuid.UUID]int
	startsIn                                map[string]int   // by plan
	waits                                   map[string]waits // by plan
	level                                   *level
}

// level is how it was at the end of a step; reasons is nil where that was worked out.
type level struct {
	backlog, running int
	longest          time.Duration
	reasons          map[admission.Reason]int
}

// again is for how long something may be read again: it can become visible so much after its time.
const again = 10 * time.Second

func newHistory() *history {
	return &history{steps: map[int64]*step{}, started: map[uuid.UUID]time.Time{}, ended: map[uuid.UUID]time.Time{}}
}

func stepOf(at time.Time) int64 { return at.Unix() / int64(Step/time.Second) }

func (h *history) at(t time.Time) *step {
	n := stepOf(t)
	s := h.steps[n]
	if s == nil {
		s = &step{startsOf: map[uuid.UUID]int{}, failedOf: map[uuid.UUID]int{}, startsIn: map[string]int{}, waits: map[string]waits{}}
		h.steps[n] = s
	}
	return s
}

// forget begins anew with what has happened, and keeps how it was.
func (h *history) forget() {
	kept := map[int64]*step{}
	for n, s := range h.steps {
		if s.level != nil && s.level.reasons != nil {
			at := time.Unix(n*int64(Step/time.Second), 0)
			fresh := &history{steps: kept}
			fresh.at(at).level = s.level
		}
	}
	h.steps = kept
	clear(h.started)
	clear(h.ended)
}

// add counts executions, of which nothing that happened before a moment is to be counted: it has been, or lies too far back.
func (h *history) add(list []figures.Execution, since time.Time, planOf func(workspace uuid.UUID) string) {
	for i := range list {
		e := &list[i]
		if _, counted := h.started[e.ID]; e.DispatchedAt != nil && !e.DispatchedAt.Before(since) && !counted {
			h.started[e.ID] = *e.DispatchedAt
			h.start(e, planOf(e.WorkspaceID))
		}
		if _, counted := h.ended[e.ID]; e.EndedAt != nil && !e.EndedAt.Before(since) && !counted {
			h.ended[e.ID] = *e.EndedAt
			h.end(e)
		}
	}
}

func (h *history) start(e *figures.Execution, plan string) {
	s := h.at(*e.DispatchedAt)
	s.starts++
	s.startsOf[e.WorkspaceID]++
	s.startsIn[plan]++
	if s.waits[plan] == nil {
		s.waits[plan] = waits{}
	}
	s.waits[plan].add(e.ClaimedAt.Sub(e.AvailableAt))
	h.at(e.ClaimedAt).claims++
	h.at(e.AvailableAt).arrivals++
}

func (h *history) end(e *figures.Execution) {
	s := h.at(*e.EndedAt)
	s.ended++
	if e.Status == "FAILED" || e.Status == "TIMED_OUT" {
		s.failed++
		s.failedOf[e.WorkspaceID]++
	}
}

// arrive counts items that still wait.
func (h *history) arrive(list []figures.Arrived) {
	for _, a := range list {
		h.at(time.Unix(a.At, 0)).arrivals += a.N
	}
}

// workOut tells for steps in which nobody looked how it was, from how it is now and from what has happened since.
func (h *history) workOut(now time.Time, is level) {
	backlog, running := is.backlog, is.running
	for n := stepOf(now); n > stepOf(now)-Steps && n > stepOf(h.known); n-- {
		s := h.at(time.Unix(n*int64(Step/time.Second), 0))
		if s.level == nil {
			s.level = &level{backlog: max(backlog, 0), running: max(running, 0)}
		}
		backlog += s.claims - s.arrivals
		running += s.ended - s.starts
	}
}

// hold says of the steps between two looks that it was as at the first of them.
func (h *history) hold(last, now time.Time) {
	was := h.at(last).level
	if was == nil {
		return
	}
	for n := stepOf(last) + 1; n < stepOf(now); n++ {
		if s := h.at(time.Unix(n*int64(Step/time.Second), 0)); s.level == nil || s.level.reasons == nil {
			s.level = was
		}
	}
}

// prune forgets what lies too far back.
func (h *history) prune(now time.Time) {
	for n := range h.steps {
		if n <= stepOf(now)-Steps {
			delete(h.steps, n)
		}
	}
	for _, seen := range []map[uuid.UUID]time.Time{h.started, h.ended} {
		for id, at := range seen {
			if now.Sub(at) > 3*again {
				delete(seen, id)
			}
		}
	}
}

// points are the steps up to now, oldest first.
func (h *history) points(now time.Time) []Point {
	points := make([]Point, Steps)
	for i := range points {
		n := stepOf(now) - Steps + 1 + int64(i)
		p := Point{At: time.Unix(n*int64(Step/time.Second), 0)}
		p.Known = !p.At.Before(h.known)
		if s := h.steps[n]; s != nil {
			p.Starts, p.Ended, p.Failed = s.starts, s.ended, s.failed
			if l := s.level; l != nil {
				p.Level, p.Backlog, p.Running = true, l.backlog, l.running
				p.Sampled, p.Longest, p.Reasons = l.reasons != nil, l.longest, l.reasons
			}
		}
		points[i] = p
	}
	return points
}

// lately visits the steps of the last so long, with their place among the points.
func (h *history) lately(now time.Time, span time.Duration, visit func(place int, s *step)) {
	last := stepOf(now)
	for n := last - int64(span/Step) + 1; n <= last; n++ {
		if s := h.steps[n]; s != nil {
			visit(int(n-last)+Steps-1, s)
		}
	}
}
