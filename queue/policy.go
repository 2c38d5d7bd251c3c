package queue

import (
	"time"

	"sluice/internal/admission"
)

// Input is the capacity as the policy takes it, for a decision on at most a batch of starts.
func (c Capacity) Input(batch int) admission.Input {
	in := c.input(batch)
	in.Workspaces = make([]admission.Workspace, len(c.Workspaces))
	cohorts := c.cohorts()
	for i := range c.Workspaces {
		in.Workspaces[i] = c.Workspaces[i].policyView(cohorts)
	}
	return in
}

// input is the same without the workspaces.
func (c *Capacity) input(batch int) admission.Input {
	in := admission.Input{
		Now: c.Now, Batch: batch, Global: admission.Pool{Limit: unlimited(c.Limit), Used: c.Used},
		Clocks:  admission.Clocks{admission.VirtualTime(c.OwnClock), admission.VirtualTime(c.BorrowedClock)},
		Cohorts: make([]admission.Cohort, len(c.Cohorts)),
	}
	for i, k := range c.Cohorts {
		in.Cohorts[i] = admission.Cohort{
			Name: k.Cohort, Pool: admission.Pool{Limit: k.Nominal, Used: k.Used}, Weight: k.Weight,
			Tags:   admission.Tags{admission.VirtualTime(k.Own), admission.VirtualTime(k.Borrowed)},
			Clocks: admission.Clocks{admission.VirtualTime(k.OwnClock), admission.VirtualTime(k.BorrowedClock)},
		}
	}
	return in
}

// cohorts are their places.
func (c *Capacity) cohorts() map[string]int {
	place := make(map[string]int, len(c.Cohorts))
	for i := range c.Cohorts {
		place[c.Cohorts[i].Cohort] = i
	}
	return place
}

func (w *WorkspaceCapacity) policyView(cohorts map[string]int) admission.Workspace {
	view := admission.Workspace{
		ID: w.WorkspaceID, Cohort: admission.NoCohort, Weight: w.Weight, Used: w.Used, Ready: w.Ready,
		Quota: admission.Quota{Ceiling: w.Limit, Nominal: w.Nominal, BorrowingLimit: unlimited(w.BorrowingLimit)},
		Tags:  admission.Tags{admission.VirtualTime(w.Own), admission.VirtualTime(w.Borrowed)},
		Since: valueOr(w.Since, time.Time{}),
	}
	if w.Cohort != nil {
		// Joined after the cohorts were read: until the next decision it may only what the claim allows it anyway.
		if cohort, known := cohorts[*w.Cohort]; known {
			view.Cohort = cohort
		}
	}
	if w.StartsPerSecond != nil {
		view.Rate = admission.Rate{PerSecond: *w.StartsPerSecond, Burst: valueOr(w.Burst, 1)}
		if w.Tokens != nil && w.TokensAt != nil {
			view.Bucket = admission.Bucket{Tokens: *w.Tokens, At: *w.TokensAt}
		}
	}
	return view
}

func unlimited(limit *int) int { return valueOr(limit, admission.Unlimited) }

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// Grants are those of a decision.
func Grants(d admission.Decision) []Grant {
	grants := make([]Grant, len(d.Grants))
	for i, g := range d.Grants {
		grants[i] = Grant{WorkspaceID: g.ID, Slots: g.Slots, Limit: g.Limit}
	}
	return grants
}

// Line says how much weight stood in a line when grants were decided: that of a cohort, or with an empty name that of
// all outside of cohorts, with each cohort in it as one.
type Line struct {
	Cohort   string
	Own      int // of those who could start within their nominal quotas
	Borrowed int // of those who could borrow
}

// Lines are the lines of a decision on this capacity; none if it was not contended.
func (c Capacity) Lines(d admission.Decision) []Line {
	if !d.Contended {
		return nil
	}
	lines := []Line{{"", d.Weights[admission.Own], d.Weights[admission.Borrowed]}}
	for i, k := range c.Cohorts {
		if w := d.CohortWeights[i]; w != (admission.Weights{}) {
			lines = append(lines, Line{k.Cohort, w[admission.Own], w[admission.Borrowed]})
		}
	}
	return lines
}

// contended is the opposite of Lines: a decision that has them, as far as charging goes.
func (c *Capacity) contended(lines []Line) admission.Decision {
	d := admission.Decision{Contended: true, CohortWeights: make([]admission.Weights, len(c.Cohorts))}
	cohorts := c.cohorts()
	for _, l := range lines {
		weights := admission.Weights{admission.Own: l.Own, admission.Borrowed: l.Borrowed}
		if l.Cohort == "" {
			d.Weights = weights
		} else if place, known := cohorts[l.Cohort]; known {
			d.CohortWeights[place] = weights
		}
	}
	return d
}
