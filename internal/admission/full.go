package admission

// Where slot time is counted, the ideal schedule gives each workspace slots by its weight, but no more than it may hold or has items for. A
// workspace that holds as many as that is Full: it gets exactly what the schedule gives it. So neither its weight nor its slots count in the
// clock, which belongs to those that share the rest, and its tag stays at the same distance from the clock.
//
// Were it charged like the others, a light workspace at its limit would run ahead of the clock, and a heavy one would fall behind it. Once
// others come, the light one would be served too late and the heavy one too early: in a drawn fleet a workspace fell behind by 8.5 times the
// bound of the lag.

// Absolute is a workspace's tag as a time of the clock: what is put on record.
func (w *Workspace) Absolute(class Class, clock VirtualTime) VirtualTime {
	if w.Places[class] == Full {
		return clock + w.Tags[class] + w.held[class].left.per(w.Weight)
	}
	return w.Places[class].absolute(w.Tags[class], clock)
}

// settle decides which workspaces of a line are Full. Of those that hold all they may, it leaves out one after the other that holds no more
// than its share by weight of the slots in use that are left. The order does not matter: each one that is left out raises the share of the others.
func (r *round) settle(l *line) {
	rest := l.full
	for n := -1; n != len(rest); {
		n = len(rest)
		for k := 0; k < len(rest); {
			i := rest[k]
			m := &r.roster.all[i]
			if holds := r.holds(i, m); holds*l.weight <= l.slots*m.weight {
				l.slots, l.weight = l.slots-holds, l.weight-m.weight
				if m.places[r.class] != Full {
					r.fill(i, l, m)
				}
				rest[k] = rest[len(rest)-1]
				rest = rest[:len(rest)-1]
				continue
			}
			k++
		}
	}
	for _, i := range rest {
		if m := &r.roster.all[i]; m.places[r.class] == Full {
			r.drain(i, l, m)
		}
	}
}

// holds is how many slots of the class a workspace holds, with those that it was granted.
func (r *round) holds(i int32, m *measured) int {
	granted := min(r.granted[i], m.own)
	if r.class == Borrowed {
		granted = r.granted[i] - granted
	}
	return int(m.holds[r.class] + granted)
}

// finish makes a workspace Full that has no more items and is not ahead: the ideal schedule has come to the end of what it holds.
func (r *round) finish(i int32, l *line, m *measured) {
	l.slots -= r.holds(i, m)
	m.tags[r.class] = l.began + r.left(i).per(m.weight)
	r.fill(i, l, m)
}

// fill makes a workspace Full. From now on its tag is its distance from the clock, without what is still to come of what it was charged.
func (r *round) fill(i int32, l *line, m *measured) {
	left := r.left(i)
	l.filled.n, l.filled.left = l.filled.n+int(m.holds[r.class]), l.filled.left+left
	r.move(i, Full, m.tags[r.class]-l.began-left.per(m.weight))
}

// drain makes a workspace that is Full a waiting one: its tag is a time of the clock again.
func (r *round) drain(i int32, l *line, m *measured) {
	left := r.left(i)
	l.filled.n, l.filled.left = l.filled.n-int(m.holds[r.class]), l.filled.left-left
	r.move(i, Waiting, l.began+m.tags[r.class]+left.per(m.weight))
}

// left is how much of what a workspace has been charged is still to come.
func (r *round) left(i int32) slotTime {
	h := r.in.Workspaces[i].held[r.class]
	h.pass(r.in.at)
	return h.left
}

// fill notes what a decision says of those that are Full.
func (in *Input) fill(full *[classes]Held, e *lineEnds) {
	for class := range classes {
		h := &full[class]
		h.pass(in.at)
		h.add(e.filled[class].n, e.filled[class].left)
	}
}
