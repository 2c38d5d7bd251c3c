package admission

// Charge books what was really claimed of the grants of a decision: slots, tokens, and virtual times if the decision was
// contended. All are charged from where the clocks stood at the decision.
func (in *Input) Charge(d Decision, claimed []Grant) {
	if d.Contended {
		in.chargeTime(d, claimed)
	}
	for _, g := range claimed {
		w := &in.Workspaces[g.Workspace]
		w.Used += g.Slots
		w.Bucket = w.take(w.Bucket, in.Now, g.Slots)
		in.Global.Used += g.Slots
		if w.Cohort != NoCohort {
			in.Cohorts[w.Cohort].Used += g.Slots
		}
	}
}

func (in *Input) chargeTime(d Decision, claimed []Grant) {
	root, clocks := in.Clocks, make([]Clocks, len(in.Cohorts))
	for i := range in.Cohorts {
		clocks[i] = in.Cohorts[i].Clocks
	}
	var starts Weights
	members := make([]Weights, len(in.Cohorts))
	for _, g := range claimed {
		w := &in.Workspaces[g.Workspace]
		own := min(g.Slots, w.own(w.Used))
		for class, n := range (Weights{Own: own, Borrowed: g.Slots - own}) {
			starts[class] += n
			if w.Cohort == NoCohort {
				charge(&w.Tags[class], root[class], &in.Clocks[class], w.Weight, n)
				continue
			}
			members[w.Cohort][class] += n
			charge(&w.Tags[class], clocks[w.Cohort][class], &in.Cohorts[w.Cohort].Clocks[class], w.Weight, n)
		}
	}
	for i := range in.Cohorts {
		c := &in.Cohorts[i]
		for class, n := range members[i] {
			charge(&c.Tags[class], root[class], &in.Clocks[class], c.Weight, n)
			c.Clocks[class] = tick(c.Clocks[class], clocks[i][class], d.CohortWeights[i][class], n)
		}
	}
	for class, n := range starts {
		in.Clocks[class] = tick(in.Clocks[class], root[class], d.Weights[class], n)
	}
}

// charge moves a tag on by n starts, and the clock at least to where the last of them began.
func charge(tag *VirtualTime, from VirtualTime, clock *VirtualTime, weight, n int) {
	if n > 0 {
		price := Price(weight)
		*tag = standing(*tag, from, price) + VirtualTime(n)*price
		*clock = max(*clock, *tag-price)
	}
}

// tick moves a clock on by n starts among so much weight.
func tick(clock, from VirtualTime, weight, n int) VirtualTime {
	if n == 0 {
		return clock
	}
	return max(clock, from+VirtualTime(n)*Price(weight))
}
