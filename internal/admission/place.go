package admission

import "math"

// Place tells whether the ideal schedule of a line gives a workspace or a cohort something. Only while it does is its tag a
// time of the line's clock; otherwise it may come from anywhere: another cohort's clock, another shard's, a backup.
type Place uint8

// The places.
const (
	Outside Place = iota // it gets nothing, and is owed nothing
	Waiting              // it could take a start
	// Ahead is one that could not take another, and whose starts the ideal schedule has not come to the end of: the policy
	// deals whole starts, the schedule gives it its share until the clock has reached its tag. If its weight did not count for
	// so long, the clock would run faster than those who wait are served, and the heavier they are the more they would lose.
	Ahead
	// Owed is one that has items but no room, and had waited for longer than the ideal schedule made it wait. Its tag is how far
	// that lies behind the clock, now and whenever it comes back: it neither gains by being away nor loses what it is owed.
	Owed
	// Full is one that holds all it may, or needs, and that the ideal schedule gives as much, see full.go.
	Full
)

// Places are those in the two lines.
type Places [classes]Place

// placed is the tag that counts at a clock. Who has been waiting keeps its place. Who comes is not behind the clock: it
// gets no credit for the time when it had nothing to start. And who comes from outside is not more than one start ahead of it,
// which mends tags of another clock or weight. None is further behind the clock than it may be owed.
func (p Place) placed(tag, clock, price, owed VirtualTime) VirtualTime {
	switch p {
	case Waiting:
		return min(max(tag, clock-owed), clock+farAway)
	case Ahead:
		return min(max(tag, clock), clock+farAway)
	case Owed:
		return clock + min(max(tag, -owed), 0)
	}
	return min(max(tag, clock), clock+price)
}

// Absolute is a cohort's tag as a time of the clock: what is put on record.
func (c *Cohort) Absolute(class Class, clock VirtualTime) VirtualTime {
	return c.Places[class].absolute(c.Tags[class], clock)
}

func (p Place) absolute(tag, clock VirtualTime) VirtualTime {
	if p == Owed {
		return clock + tag
	}
	return tag
}

// farAway is as far as anything that stands in a line may be from its clock. It keeps sums from overflowing. Where slot time is counted it is what
// 12,000 slots come to that are held for a day each by a workspace of weight 1.
const farAway VirtualTime = 1 << 60

// move notes where a workspace stands from now on, for this decision, the next and the caller.
func (r *round) move(i int32, place Place, tag VirtualTime) {
	m, w := &r.roster.all[i], &r.in.Workspaces[i]
	m.places[r.class], m.tags[r.class] = place, tag
	w.Places[r.class], w.Tags[r.class] = place, tag
	r.moved = append(r.moved, i)
}

// arrive places one that could take a start. Where it comes to wait its tag is a time of this clock from now on: were it
// placed anew in each decision, its turn would move on with the clock.
func (r *round) arrive(i int32, l *line, m *measured) {
	if m.places[r.class] == Full {
		r.drain(i, l, m)
	}
	place, tag := m.places[r.class], m.tags[r.class]
	start := place.placed(tag, l.began, l.foreign(m.price), l.owed(m.weight))
	if place != Waiting || start != tag {
		r.move(i, Waiting, start)
	}
	l.join(i, start, m.weight, m.price, m.since)
}

// foreign is how far ahead of the clock one may begin whose tag may be another clock's: the price of a start. Where slot time is
// counted that is only expected, and may be wrong by far; who really is ahead there is not outside.
func (l *line) foreign(price VirtualTime) VirtualTime {
	if l.still {
		return 0
	}
	return price
}

// owed is how far behind the clock one may come to stand: by the longest execution for each slot that is its share of those in use, which
// come free one by one, and once more.
func (l *line) owed(weight int) VirtualTime { return shared(l.of.owed, weight) + l.late }

// depart notes that one cannot take a start any more, and for how long its weight still counts. Where slot time is counted, a workspace that
// has items and holds slots, as many as it may, is still given something by the ideal schedule.
func (r *round) depart(i int32, l *line, m *measured) {
	items := m.all > 0 || m.why != scheduled && m.why != causes
	holds := l.still && m.holds[r.class] > 0
	full := holds && m.room(r.class, r.granted[i], math.MaxInt32) == 0
	if m.places[r.class] == Full && !full {
		r.drain(i, l, m)
	}
	was, old := m.places[r.class], m.tags[r.class]
	place, tag := was, old
	switch {
	case was == Full && !items:
		tag = max(old, 0) // without items it is owed nothing
	case was == Full:
	case holds && items:
		place, tag = Waiting, was.placed(old, l.began, l.foreign(m.price), l.owed(m.weight))
	default:
		place, tag = was.departed(old, l.began, items)
	}
	if place != was || tag != old {
		r.move(i, place, tag)
	}
	switch {
	case place == Outside && full:
		r.finish(i, l, m)
	case place != Outside && place != Owed:
		l.trail(tag, m.weight)
		if full {
			l.full = append(l.full, i)
		}
	}
}

// departed is where one stands that cannot take a start any more, with items or without.
func (p Place) departed(tag, clock VirtualTime, items bool) (Place, VirtualTime) {
	switch {
	case p == Outside || p == Owed && items:
		return p, tag
	case p != Owed && tag > clock:
		return Ahead, min(tag, clock+farAway)
	case p == Waiting && items:
		return Owed, max(tag-clock, -farAway)
	}
	return Outside, tag
}

// leave notes that one has been given its last start, which moves its tag to there, and whether it has more items. What it is owed then is
// what it lacks now: from now on the clock runs without it.
func (r *round) leave(i int32, to VirtualTime, items bool, l *line) {
	m := &r.roster.all[i]
	place, tag := Outside, m.tags[r.class]
	switch {
	case l.still:
		l.full = append(l.full, i)
		if place = Ahead; items {
			return // it goes on to be given something
		}
	case to > l.clock:
		place = Ahead
	case items && to < l.clock:
		place, tag = Owed, tag-l.clock
	}
	if m.places[r.class] != place {
		r.move(i, place, tag)
	}
}

// arriveCohort is arrive for a cohort of which a member could take a start.
func (r *round) arriveCohort(i int) {
	c, k := &r.in.Cohorts[i], &r.cohorts[i]
	start := c.Places[r.class].placed(c.Tags[r.class], r.root.began, r.root.foreign(k.price), r.root.owed(c.Weight))
	c.Places[r.class], c.Tags[r.class] = Waiting, start
	r.root.join(cohortIndex(i), start, c.Weight, k.price, k.since)
}

// departCohort is depart for a cohort.
func (r *round) departCohort(i int) {
	c := &r.in.Cohorts[i]
	if was := c.Places[r.class]; r.root.still && r.cohorts[i].stands && c.held[r.class].n > 0 {
		tag := was.placed(c.Tags[r.class], r.root.began, r.root.foreign(Price(c.Weight)), r.root.owed(c.Weight))
		c.Places[r.class], c.Tags[r.class] = Waiting, tag
		r.root.trail(tag, c.Weight)
		return
	}
	c.Places[r.class], c.Tags[r.class] = c.Places[r.class].departed(c.Tags[r.class], r.root.began, r.cohorts[i].stands)
	if c.Places[r.class] == Ahead {
		r.root.trail(c.Tags[r.class], c.Weight)
	}
}
