package admission

// Recall has a workspace stand where it is on record to stand, as far as that can be told. It is called once what the workspace holds has been
// charged, by a dispatcher that begins: as one does wherever another process has claimed, and that may be before each claim. Were all who hold
// no slot taken for alike, the cheapest of them would be served again and again, and the others never.
//
// What is on record may be a time of another clock: of a cohort that the workspace has left, of another shard, or of a backup. So it counts only
// where it lies ahead of the clock, and by no more than what the workspace holds and the longest execution of late come to. What is owed to
// it is forgotten.
func (in *Input) Recall(w *Workspace, on Tags) {
	for class := range classes {
		w.Places[class], w.Tags[class] = in.recalled(&w.held[class], w.Places[class], w.Tags[class], on[class], in.clockOf(w, class), w.Weight)
	}
}

// RecallCohort is Recall for a cohort.
func (in *Input) RecallCohort(c *Cohort, on Tags) {
	for class := range classes {
		c.Places[class], c.Tags[class] = in.recalled(&c.held[class], c.Places[class], c.Tags[class], on[class], in.Clocks[class], c.Weight)
	}
}

func (in *Input) recalled(h *Held, p Place, tag, on, clock VirtualTime, weight int) (Place, VirtualTime) {
	most := clock + max(h.left, 0).per(weight) + shared(in.longest(), weight)
	if !in.CountsSlotTime || on <= clock || on > most || p == Ahead && on <= tag {
		return p, tag
	}
	return Ahead, on
}
