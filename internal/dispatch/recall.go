package dispatch

import (
	"sluice/internal/admission"
	"sluice/internal/store"
)

// charge notes the slots that are held, and has all stand where they were before.
func (c *cache) charge(slots []store.Slot, before *cache) {
	workspaces, cohorts := make(map[*workspace]admission.Tags, len(c.byID)), make([]admission.Tags, len(c.in.Cohorts))
	for _, w := range c.byID {
		workspaces[w] = w.view.Tags
	}
	for i := range cohorts {
		cohorts[i] = c.in.Cohorts[i].Tags
	}
	for _, s := range slots {
		c.hold(s, c.workspace(s.WorkspaceID))
	}
	if c.anew {
		return // what is on record is of clocks that are no more
	}
	stood := make([]admission.Stood, len(cohorts))
	for w, on := range workspaces {
		of, cohort := c.stood(w, before)
		c.in.Recall(&w.view, on, of)
		if c.touch(w); cohort != nil {
			stood[w.view.Cohort] = admission.Stood{Places: cohort.Places, Tags: cohort.Tags, Clocks: before.in.Clocks}
		}
	}
	for i, on := range cohorts {
		c.in.RecallCohort(&c.in.Cohorts[i], on, stood[i])
	}
}

// stood is how a workspace stood in the cache before, of the same process, and its cohort, if it has had work since.
func (c *cache) stood(w *workspace, before *cache) (of admission.Stood, cohort *admission.Cohort) {
	old := before.byID[w.view.ID]
	if old == nil || !before.in.CountsSlotTime || w.first(before.now, c.ageing) < 0 {
		return of, nil
	}
	of = admission.Stood{Places: old.view.Places, Tags: old.view.Tags, Clocks: before.in.Clocks}
	switch was, is := old.view.Cohort, w.view.Cohort; {
	case was == admission.NoCohort && is == admission.NoCohort:
		return of, nil
	case was == admission.NoCohort || is == admission.NoCohort || before.in.Cohorts[was].Name != c.in.Cohorts[is].Name:
		return admission.Stood{}, nil
	default:
		cohort = &before.in.Cohorts[was]
		of.Clocks = cohort.Clocks
		return of, cohort
	}
}
