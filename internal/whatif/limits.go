package whatif

import (
	"math"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
)

// InForce is what holds for a workspace: what is set for it for a time, else for good, else for its plan.
func InForce(w admin.WorkspaceLimits, plan admin.Tier) admin.WorkspaceLimits {
	return over(passing(w), planLimits(plan))
}

// planLimits are those of a plan, in the form of a workspace's.
func planLimits(t admin.Tier) admin.WorkspaceLimits {
	return admin.WorkspaceLimits{
		MaxConcurrentWorkflows: &t.MaxConcurrentWorkflows, Weight: &t.Weight, NominalQuota: t.NominalQuota, BorrowingLimit: t.BorrowingLimit,
		LendingLimit: t.LendingLimit, StartsPerSecond: t.StartsPerSecond, Burst: t.Burst,
	}
}

// passing has what holds for a time in the place of what is set for good.
func passing(w admin.WorkspaceLimits) admin.WorkspaceLimits {
	whole := map[string]**int{
		"maxConcurrentWorkflows": &w.MaxConcurrentWorkflows, "weight": &w.Weight, "nominalQuota": &w.NominalQuota,
		"borrowingLimit": &w.BorrowingLimit, "lendingLimit": &w.LendingLimit, "burst": &w.Burst,
	}
	for _, t := range w.Temporary {
		if field, ok := whole[t.Limit]; ok {
			*field = new(int(t.To))
		} else {
			w.StartsPerSecond = new(t.To)
		}
	}
	w.Temporary = nil
	return w
}

// Changed are limits after a change. What is taken away is not set.
func Changed(l admin.WorkspaceLimits, c admin.WorkspaceChange) admin.WorkspaceLimits {
	set(&l.MaxConcurrentWorkflows, c.MaxConcurrentWorkflows)
	set(&l.Weight, c.Weight)
	set(&l.NominalQuota, c.NominalQuota)
	set(&l.BorrowingLimit, c.BorrowingLimit)
	set(&l.LendingLimit, c.LendingLimit)
	set(&l.StartsPerSecond, c.StartsPerSecond)
	set(&l.Burst, c.Burst)
	set(&l.Cohort, c.Cohort)
	return l
}

func set[T any](limit **T, c *admin.Change[T]) {
	if c != nil {
		*limit = c.To
	}
}

// over are limits, and the plan's where these are not set: as the view sluice.quotas has it.
func over(l, plan admin.WorkspaceLimits) admin.WorkspaceLimits {
	l.MaxConcurrentWorkflows, l.Weight = first(l.MaxConcurrentWorkflows, plan.MaxConcurrentWorkflows), first(l.Weight, plan.Weight)
	l.NominalQuota, l.BorrowingLimit, l.LendingLimit = first(l.NominalQuota, plan.NominalQuota), first(l.BorrowingLimit, plan.BorrowingLimit), first(l.LendingLimit, plan.LendingLimit)
	l.StartsPerSecond, l.Burst = first(l.StartsPerSecond, plan.StartsPerSecond), first(l.Burst, plan.Burst)
	return l
}

func first[T any](own, plan *T) *T {
	if own != nil {
		return own
	}
	return plan
}

// Workspace is a workspace of a simulation that may use so much. Without a limit it may run nothing.
func Workspace(name string, l admin.WorkspaceLimits) simulate.Workspace {
	most := value(l.MaxConcurrentWorkflows)
	w := simulate.Workspace{Name: name, Cohort: value(l.Cohort), Weight: max(1, value(l.Weight)),
		Quota: admission.Quota{Ceiling: most, Nominal: most, BorrowingLimit: admission.Unlimited}, LendingLimit: l.LendingLimit}
	if l.NominalQuota != nil {
		w.Nominal = min(*l.NominalQuota, most)
	}
	if l.BorrowingLimit != nil {
		w.BorrowingLimit = *l.BorrowingLimit
	}
	if l.StartsPerSecond != nil {
		w.Rate = admission.Rate{PerSecond: *l.StartsPerSecond, Burst: max(1, int(math.Ceil(*l.StartsPerSecond)))}
		if l.Burst != nil {
			w.Burst = *l.Burst
		}
	}
	return w
}

func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
