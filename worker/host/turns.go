package host

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// rules are the times that decide when a worker gives way.
type rules struct {
	turn  time.Duration // with work: it may be stopped for others from then on
	grace time.Duration // without work, or hosted elsewhere too: it may be stopped for others from then on
	idle  time.Duration // without work: it is stopped from then on, whether others wait or not
}

// tenure is one hosted workspace.
type tenure struct {
	since      time.Time // when its worker ran
	lastActive time.Time // when it was last seen with work
	active     bool      // it has work now
	starting   bool      // its worker does not run yet, so it is left alone
	foreign    bool      // it is better left to another worker process
	yields     bool      // another worker process hosts it too, and has the better right to
}

// situation is all that the decision depends on.
type situation struct {
	now      time.Time
	limit    int                     // workers at once
	stopping int                     // workers on their way out, which still poll
	hosted   map[uuid.UUID]tenure    // the others
	waiting  map[uuid.UUID]time.Time // workspaces with work and without a worker, and since when they wait
	cared    map[uuid.UUID]time.Time // those of them that another worker process hosts: they get what is free, and no more
}

// decide returns which workspaces get a worker now and which lose it, each in the order to act in. Starts only take places that are
// free; a place that a stop will free is given away by a later decision.
func (s situation) decide(r rules) (start, stop []uuid.UUID) {
	start = ordered(s.waiting)
	free := max(0, s.limit-len(s.hosted)-s.stopping)
	wanted := len(start) - free - s.stopping // places that have to be made
	start = append(start, ordered(s.cared)...)
	start = start[:min(free, len(start))]

	idle, double, over := map[uuid.UUID]time.Time{}, map[uuid.UUID]time.Time{}, map[uuid.UUID]time.Time{}
	for id, t := range s.hosted {
		unused := s.now.Sub(t.lastActive)
		switch {
		case t.starting:
		case t.foreign:
			stop = append(stop, id)
		case !t.active && unused >= r.idle:
			stop = append(stop, id)
		case !t.active && unused >= r.grace:
			idle[id] = t.lastActive
		case t.yields && s.now.Sub(t.since) >= r.grace:
			double[id] = t.since
		case s.now.Sub(t.since) >= r.turn:
			over[id] = t.since
		}
	}
	slices.SortFunc(stop, byID)
	for _, candidates := range []map[uuid.UUID]time.Time{idle, double, over} {
		victims := ordered(candidates)
		stop = append(stop, victims[:min(len(victims), max(0, wanted-len(stop)))]...)
	}
	return start, stop
}

// ordered returns the keys, earliest first; ties by id, so that a decision is repeatable.
func ordered(since map[uuid.UUID]time.Time) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(since))
	for id := range since {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return cmp.Or(since[a].Compare(since[b]), byID(a, b)) })
	return ids
}

func byID(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }
