package admission

// Charge books what was really claimed of the grants of a decision: slots, virtual times, tokens. All are charged from
// where the clocks stood at the decision. The claim statement does the same in SQL, on what it has taken.
func (in *Input) Charge(d Decision, claimed []Grant) {
	root, cohorts := in.Clocks, make([]nodeCharge, len(in.Cohorts))
	for i := range in.Cohorts {
		cohorts[i].clocks = in.Cohorts[i].Clocks
	}
	var starts Weights
	for _, g := range claimed {
		w := &in.Workspaces[g.Workspace]
		own := min(g.Slots, w.own(w.Used))
		for class, n := range (Weights{Own: own, Borrowed: g.Slots - own}) {
			if w.Cohort == NoCohort {
				charge(&w.Tags[class], root[class], &in.Clocks[class], w.Weight, n)
			} else {
				charge(&w.Tags[class], cohorts[w.Cohort].clocks[class], &in.Cohorts[w.Cohort].Clocks[class], w.Weight, n)
				cohorts[w.Cohort].starts[class] += n
			}
			starts[class] += n
		}
		w.Used += g.Slots
		w.Bucket = w.take(w.Bucket, in.Now, g.Slots)
		in.Global.Used += g.Slots
	}
	for i := range in.Cohorts {
		c := &in.Cohorts[i]
		for class, n := range cohorts[i].starts {
			charge(&c.Tags[class], root[class], &in.Clocks[class], c.Weight, n)
			c.Clocks[class] = tick(c.Clocks[class], cohorts[i].clocks[class], d.CohortWeights[i][class], n)
			c.Used += n
		}
	}
	for class, n := range starts {
		in.Clocks[class] = tick(in.Clocks[class], root[class], d.Weights[class], n)
	}
}

// nodeCharge is what a cohort is charged: starts, from where its clocks stood.
type nodeCharge struct {
	clocks Clocks
	starts Weights
}

// charge moves a tag on by n starts, and the clock at least to where the last of them began.
func charge(tag *VirtualTime, from VirtualTime, clock *VirtualTime, weight, n int) {
	if n > 0 {
		*tag = standing(*tag, from, weight) + VirtualTime(n)*Price(weight)
		*clock = max(*clock, *tag-Price(weight))
	}
}

// tick moves a clock on by n starts among so much weight.
func tick(clock, from VirtualTime, weight, n int) VirtualTime {
	if n == 0 {
		return clock
	}
	return max(clock, from+VirtualTime(n)*Price(weight))
}
