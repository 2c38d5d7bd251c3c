package admission

// Stood is how a workspace or a cohort stood when this process looked last, if it has had work ever since; otherwise it is the zero one.
type Stood struct {
	Places
	Tags
	Clocks // those that it stood by
}

// Recall has a workspace stand where it is on record to stand, as far as that can be told. It is called once what the workspace holds has been
// charged, by a dispatcher that begins: as one does wherever another process has claimed, and that may be before each claim. Were all who hold
// no slot taken for alike, the cheapest of them would be served again and again, and the others never.
//
// What is on record may be a time of another clock: of a cohort that the workspace has left, of another shard, or of a backup. So it counts only
// where it lies ahead of the clock, and by no more than what the workspace holds and the longest execution of late come to. Where it lies
// behind the clock it counts if the ideal schedule gave the workspace something when this process looked last, and it has had work since. It may have
// been put on record before the workspace had work, so no more is owed to it than was then, and what the clock has gone on since.
func (in *Input) Recall(w *Workspace, on Tags, stood Stood) {
	for class := range classes {
		w.Places[class], w.Tags[class] = in.recalled(class, &w.held[class], w.Places[class], w.Tags[class], on, in.clockOf(w, class), w.Weight, stood)
	}
}

// RecallCohort is Recall for a cohort.
func (in *Input) RecallCohort(c *Cohort, on Tags, stood Stood) {
	for class := range classes {
		c.Places[class], c.Tags[class] = in.recalled(class, &c.held[class], c.Places[class], c.Tags[class], on, in.Clocks[class], c.Weight, stood)
	}
}

func (in *Input) recalled(class Class, h *Held, p Place, tag VirtualTime, onRecord Tags, clock VirtualTime, weight int, stood Stood) (Place, VirtualTime) {
	on, most := onRecord[class], clock+max(h.left, 0).per(weight)+shared(in.longest(), weight)
	was := stood.Places[class]
	waited := was == Waiting || was == Ahead
	if waited {
		on = max(on, min(stood.Tags[class], stood.Clocks[class]))
	}
	switch {
	case !in.CountsSlotTime || on > most:
	case waited:
		return Waiting, on
	case on > clock && (p != Ahead || on > tag):
		return Ahead, on
	}
	return p, tag
}
