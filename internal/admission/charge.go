package admission

// Follow notes what a decision says of those who wait. Where nobody waits nothing is owed to anybody: the ideal schedule has come to
// the end of everything, and so have the clocks.
func (in *Input) Follow(d Decision) {
	to := func(e *lineEnds, clocks *Clocks) {
		switch {
		case in.CountsSlotTime:
			*clocks = e.clocks // to where it has skipped
		case !d.Contended:
			*clocks = e.rests
		}
	}
	in.active = d.ends.weights
	to(&d.ends, &in.Clocks)
	in.fill(&in.full, &d.ends)
	for i := range in.Cohorts {
		c := &in.Cohorts[i]
		c.active = d.cohorts[i].weights
		in.fill(&c.full, &d.cohorts[i])
		to(&d.cohorts[i], &c.Clocks)
	}
}

// Charge books what was really claimed of the grants of a decision: slots, tokens and, if the decision was contended and starts are
// counted, virtual times.
func (in *Input) Charge(d Decision, claimed []Grant) {
	switch {
	case in.CountsSlotTime:
	case d.Contended:
		in.chargeTime(d, claimed)
	default:
		in.Follow(d)
	}
	for _, g := range claimed {
		w := &in.Workspaces[g.Workspace]
		before := w.Pooled()
		w.Used += g.Slots
		w.Bucket = w.take(w.Bucket, in.Now, g.Slots)
		in.Global.Used += g.Slots
		if w.Cohort != NoCohort {
			in.Cohorts[w.Cohort].Used += w.Pooled() - before
		}
	}
}

func (in *Input) chargeTime(d Decision, claimed []Grant) {
	var starts [classes]VirtualTime
	members := make([][classes]VirtualTime, len(in.Cohorts))
	for _, g := range claimed {
		w := &in.Workspaces[g.Workspace]
		for class, cost := range w.costs(g) {
			if cost == 0 {
				continue
			}
			starts[class] += cost
			if w.Cohort != NoCohort {
				members[w.Cohort][class] += cost
			}
			w.Tags[class] += shared(cost, w.Weight)
		}
	}
	for i := range in.Cohorts {
		c := &in.Cohorts[i]
		for class, cost := range members[i] {
			if cost > 0 {
				c.Tags[class] += shared(cost, c.Weight)
			}
		}
		d.cohorts[i].apply(&c.Clocks, members[i])
	}
	d.ends.apply(&in.Clocks, starts)
}

// costs is what a grant costs in each class.
func (w *Workspace) costs(g Grant) [classes]VirtualTime {
	own := min(g.Slots, w.own(w.Used))
	return [classes]VirtualTime{VirtualTime(own) * w.cost(), VirtualTime(g.Slots-own) * w.cost()}
}

// apply moves the clocks to where a decision has left them, or as far of that way as what was claimed is of what was dealt.
func (e *lineEnds) apply(clocks *Clocks, claimed [classes]VirtualTime) {
	for class := range classes {
		from, to, dealt := clocks[class], e.clocks[class], e.dealt[class]
		switch {
		case claimed[class] == 0: // nothing has happened
		case claimed[class] == dealt:
			clocks[class] = to
		default:
			clocks[class] = from + VirtualTime(float64(to-from)*float64(claimed[class])/float64(dealt))
		}
	}
}
