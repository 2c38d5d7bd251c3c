package facts

import (
	"time"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

// Input is the capacity as the policy takes it, for a decision on at most a batch of starts.
func (c *Capacity) Input(batch int) admission.Input {
	in := admission.Input{
		Now: c.Now, Batch: batch, Global: admission.Pool{Limit: valueOr(c.Limit, admission.Unlimited), Used: c.Used},
		Clocks:     clocks(c.OwnClock, c.BorrowedClock),
		Cohorts:    make([]admission.Cohort, len(c.Cohorts)),
		Workspaces: make([]admission.Workspace, len(c.Workspaces)),
	}
	all := slots.Known(c.SlotTime)
	if c.CountsSlotTime {
		in.CountsSlotTime = true
		in.Longest = slots.LongestOf(slots.Known(c.Longest), all)
	}
	places := make(map[string]int, len(c.Cohorts))
	for i, k := range c.Cohorts {
		places[k.Cohort] = i
		in.Cohorts[i] = admission.Cohort{
			Name: k.Cohort, Pool: admission.Pool{Limit: k.Nominal, Used: k.Used}, Weight: k.Weight,
			Tags: tags(k.Own, k.Borrowed), Clocks: clocks(k.OwnClock, k.BorrowedClock),
		}
	}
	for i := range c.Workspaces {
		w := c.Workspaces[i].input(places, c.Now)
		if c.CountsSlotTime { // the dispatcher knows who has been waiting, and what it was charged
			w.Places = admission.Places{admission.Waiting, admission.Waiting}
			w.Cost = admission.SlotTime(slots.Known(c.Workspaces[i].SlotTime).Expected(all))
		}
		in.Workspaces[i] = w
	}
	return in
}

func (w *WorkspaceCapacity) input(cohorts map[string]int, now time.Time) admission.Workspace {
	in := admission.Workspace{
		ID: w.WorkspaceID, Cohort: admission.NoCohort, Weight: w.Weight, Used: w.Used, Ready: w.Ready, Paused: w.Paused,
		Quota: admission.Quota{Ceiling: w.Limit, Nominal: w.Nominal, BorrowingLimit: valueOr(w.BorrowingLimit, admission.Unlimited)},
		Tags:  tags(w.Own, w.Borrowed),
		Since: valueOr(w.Since, time.Time{}),
	}
	if w.LendingLimit != nil {
		in.Reserved = max(0, w.Nominal-*w.LendingLimit)
	}
	if w.Paused {
		in.Ready = max(in.Ready, 1) // what is ready and counted as paused
	}
	if w.Cohort != nil {
		// One that it has joined since the cohorts were read is not known.
		if place, known := cohorts[*w.Cohort]; known {
			in.Cohort = place
		}
	}
	if w.StartsPerSecond != nil {
		in.Rate = admission.Rate{PerSecond: *w.StartsPerSecond, Burst: valueOr(w.Burst, 1)}
		if w.Tokens != nil && w.TokensAt != nil {
			in.Bucket = admission.Bucket{Tokens: *w.Tokens, At: *w.TokensAt}.Until(now)
		}
	}
	return in
}

func tags(own, borrowed int64) admission.Tags {
	return admission.Tags{admission.Recorded(own), admission.Recorded(borrowed)}
}

func clocks(own, borrowed int64) admission.Clocks {
	return admission.Clocks{admission.Recorded(own), admission.Recorded(borrowed)}
}

func valueOr[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
