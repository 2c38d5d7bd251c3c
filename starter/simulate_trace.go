package main

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/admission"
	"sluice/internal/admission/simulate"
	"sluice/internal/store/facts"
)

// recorded makes two simulations of what has run: with the limits as they are, and with those that were given.
func (a *app) recorded(ctx context.Context, s *simulateFlags) (now, then simulate.Config, err error) {
	pool, err := a.database(ctx)
	if err != nil {
		return now, then, err
	}
	at, err := facts.Now(ctx, pool)
	if err != nil {
		return now, then, err
	}
	trace, err := facts.Trace(ctx, pool, at.Add(-s.since), mostTraced)
	if err != nil {
		return now, then, err
	}
	if len(trace) > 0 {
		s.from = &trace[0].AvailableAt
	}
	s.cutOff = len(trace) == mostTraced
	office := admin.New(pool)
	tiers, err := office.Tiers(ctx)
	if err != nil {
		return now, then, err
	}
	workspaces, err := office.WorkspaceLimits(ctx)
	if err != nil {
		return now, then, err
	}
	settings, err := office.Settings(ctx)
	if err != nil {
		return now, then, err
	}
	plans := map[string]ownLimits{}
	for _, t := range tiers {
		plans[t.Plan] = ownLimits{Max: &t.MaxConcurrentWorkflows, Weight: &t.Weight, Nominal: t.NominalQuota, Borrowing: t.BorrowingLimit, Rate: t.StartsPerSecond, Burst: t.Burst}
	}
	own := map[string]ownLimits{}
	for _, w := range workspaces {
		own[w.ID.String()] = ownLimits{w.MaxConcurrentWorkflows, w.Weight, w.NominalQuota, w.BorrowingLimit, w.StartsPerSecond, w.Burst, w.Cohort}
	}
	otherPlans, err := changedLimits("--tier", plans, s.tiers, strings.ToUpper)
	if err != nil {
		return now, then, err
	}
	otherOwn, err := changedLimits("--workspace", own, s.workspaces, strings.ToLower)
	if err != nil {
		return now, then, err
	}

	place := map[uuid.UUID]int{}
	for i, w := range workspaces {
		place[w.ID] = i
		now.Workspaces = append(now.Workspaces, own[w.ID.String()].over(plans[w.Plan]).workspace(w.Name))
		then.Workspaces = append(then.Workspaces, otherOwn[w.ID.String()].over(otherPlans[w.Plan]).workspace(w.Name))
	}
	for _, t := range trace {
		if i, known := place[t.WorkspaceID]; known { // or it has been deleted
			now.Executions = append(now.Executions, simulate.Execution{Workspace: i, At: t.AvailableAt.Sub(trace[0].AvailableAt), Priority: t.Priority, Runs: t.Runs})
		}
	}
	now.Global, now.AgeingStep = deref(settings.MaxConcurrentWorkflows), settings.AgeingStep
	then.Executions, then.Global, then.AgeingStep = now.Executions, now.Global, now.AgeingStep
	if s.limit.change != nil {
		then.Global = deref(s.limit.change.To)
	}
	return now, then, nil
}

// ownLimits are those of a plan or of a workspace; what is nil is not set.
type ownLimits struct {
	Max, Weight, Nominal, Borrowing *int
	Rate                            *float64
	Burst                           *int
	Cohort                          *string
}

// over are these limits, and the plan's where these are not set: as the view sluice.quotas has it.
func (l ownLimits) over(plan ownLimits) ownLimits {
	pick := func(own, plan *int) *int {
		if own != nil {
			return own
		}
		return plan
	}
	l.Max, l.Weight, l.Nominal = pick(l.Max, plan.Max), pick(l.Weight, plan.Weight), pick(l.Nominal, plan.Nominal)
	l.Borrowing, l.Burst = pick(l.Borrowing, plan.Borrowing), pick(l.Burst, plan.Burst)
	if l.Rate == nil {
		l.Rate = plan.Rate
	}
	return l
}

func (l ownLimits) workspace(name string) simulate.Workspace {
	most := deref(l.Max)
	w := simulate.Workspace{Name: name, Cohort: deref(l.Cohort), Weight: max(1, deref(l.Weight)),
		Quota: admission.Quota{Ceiling: most, Nominal: most, BorrowingLimit: admission.Unlimited}}
	if l.Nominal != nil {
		w.Nominal = min(*l.Nominal, most)
	}
	if l.Borrowing != nil {
		w.BorrowingLimit = *l.Borrowing
	}
	if l.Rate != nil {
		w.Rate = admission.Rate{PerSecond: *l.Rate, Burst: max(1, int(math.Ceil(*l.Rate)))}
		if l.Burst != nil {
			w.Burst = *l.Burst
		}
	}
	return w
}

// parse changes the limits to what is written: a number, or a list of name:value.
func (l *ownLimits) parse(text string) error {
	for _, part := range strings.Split(text, ",") {
		name, value, named := strings.Cut(strings.TrimSpace(part), ":")
		if !named {
			name, value = "max-concurrent", name
		}
		if err := l.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

func (l *ownLimits) set(name, value string) error {
	targets := map[string]**int{"max-concurrent": &l.Max, "nominal-quota": &l.Nominal, "borrowing-limit": &l.Borrowing, "weight": &l.Weight, "burst": &l.Burst}
	switch target, whole := targets[name]; {
	case whole && value == none:
		*target = nil
	case whole:
		n, err := strconv.Atoi(value)
		low := 0
		if name == "weight" || name == "burst" {
			low = 1
		}
		if err != nil || n < low || n > math.MaxInt32 {
			return fmt.Errorf("%s must be a whole number from %d, or %s, not %q", name, low, none, value)
		}
		*target = &n
	case name == "rate":
		var rate rateFlag
		if err := rate.Set(value); err != nil {
			return fmt.Errorf("rate %w", err)
		}
		if l.Rate = rate.change.To; l.Rate != nil && !(*l.Rate > 0) {
			return fmt.Errorf("rate must be more than 0")
		}
	case name == "cohort" && value == none:
		l.Cohort = nil
	case name == "cohort":
		l.Cohort = &value
	default:
		return fmt.Errorf("unknown limit %q; there are max-concurrent, nominal-quota, borrowing-limit, weight, rate, burst, cohort", name)
	}
	return nil
}

// changedLimits applies changes like NAME=limits.
func changedLimits(flag string, limits map[string]ownLimits, changes []string, spelling func(string) string) (map[string]ownLimits, error) {
	limits = maps.Clone(limits)
	for _, change := range changes {
		name, text, both := strings.Cut(change, "=")
		name = spelling(strings.TrimSpace(name))
		l, known := limits[name]
		switch {
		case !both:
			return nil, usage("%s %q is not like NAME=limits", flag, change)
		case !known:
			return nil, usage("%s %q names nothing that is known", flag, change)
		}
		if err := l.parse(text); err != nil {
			return nil, usage("%s %q: %v", flag, change, err)
		}
		if flag == "--tier" && l.Max == nil {
			return nil, usage("%s %q: a plan needs a max-concurrent", flag, change)
		}
		limits[name] = l
	}
	return limits, nil
}
