package whatif

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/admin"
	"sluice/internal/admission/simulate"
	"sluice/internal/admission/slots"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// Question is what to play: the executions that became available in the last so long and have ended.
type Question struct {
	Since time.Duration
	Most  int // executions that are read at most, the newest
	Batch int // the most that one cycle claims
	Other Other
}

// Other are the limits to compare with. What is not given is as it is.
type Other struct {
	Global     *admin.Change[int] // of all workspaces together
	AgeingStep *time.Duration
	Fairness   string                           // admin.FairSlotTime or admin.FairStarts
	Plans      map[string]admin.WorkspaceChange // whose cohort is not given
	Workspaces map[uuid.UUID]admin.WorkspaceChange
}

// Most is how many executions are read where somebody waits for an answer in a browser, or to a request.
const Most = 100_000

// longest is the end of each simulation: a rate may be so low that it would take longer than a time.Duration can be.
const longest = 10 * 365 * 24 * time.Hour

// check refuses what cannot be set either.
func (o Other) check() error {
	for plan, change := range o.Plans {
		if change.Cohort != nil {
			return store.Invalid("plan %s can have no cohort: give it to its workspaces", plan)
		}
		if change.MaxConcurrentWorkflows != nil && change.MaxConcurrentWorkflows.To == nil {
			return store.Invalid("plan %s needs a limit of concurrent workflows: it cannot be taken away", plan)
		}
		if change.Weight != nil && change.Weight.To == nil {
			return store.Invalid("plan %s needs a weight: it cannot be taken away", plan)
		}
		if err := change.Check(); err != nil {
			return fmt.Errorf("plan %s: %w", plan, err)
		}
	}
	for id, change := range o.Workspaces {
		if err := change.Check(); err != nil {
			return fmt.Errorf("workspace %s: %w", id, err)
		}
	}
	settings := admin.SettingsChange{MaxConcurrentWorkflows: o.Global, AgeingStep: o.AgeingStep}
	if o.Fairness != "" {
		settings.Fairness = &o.Fairness
	}
	return settings.Check()
}

// Play reads what has run and plays it with the limits as they are and with the others.
func Play(ctx context.Context, pool *pgxpool.Pool, q Question) (Comparison, error) {
	r, err := read(ctx, pool, q)
	if err != nil {
		return Comparison{}, err
	}
	c, err := Compare(ctx, r.now, r.then)
	c.From, c.CutOff = r.from, r.cutOff
	for i := range c.Workspaces {
		c.Workspaces[i].ID = r.ids[c.Workspaces[i].place]
	}
	return c, err
}

// recorded is what has run, with the limits as they are and with the others.
type recorded struct {
	now, then simulate.Config
	ids       []uuid.UUID // of their workspaces
	from      time.Time
	cutOff    bool
}

func read(ctx context.Context, pool *pgxpool.Pool, q Question) (r recorded, err error) {
	if err := q.Other.check(); err != nil {
		return r, err
	}
	at, err := facts.Now(ctx, pool)
	if err != nil {
		return r, err
	}
	trace, err := facts.Trace(ctx, pool, at.Add(-q.Since), q.Most+1)
	if err != nil {
		return r, err
	}
	if r.cutOff = len(trace) > q.Most; r.cutOff {
		trace = trace[1:]
	}
	place, err := r.limits(ctx, admin.New(pool), q.Other)
	if err != nil {
		return r, err
	}
	if len(trace) > 0 {
		r.from = trace[0].AvailableAt
	}
	for _, t := range trace {
		if i, known := place[t.WorkspaceID]; known { // or it has been deleted
			r.now.Executions = append(r.now.Executions, simulate.Execution{Workspace: i, At: t.AvailableAt.Sub(r.from), Priority: t.Priority, Runs: t.Runs,
				Kind: slots.Kind{Definition: t.DefinitionID, Type: t.WorkflowType}})
		}
	}
	r.now.Batch, r.now.Until = q.Batch, longest
	r.then.Batch, r.then.Until, r.then.Executions = r.now.Batch, r.now.Until, r.now.Executions
	return r, nil
}

// limits fills in those of both simulations, and tells the places of workspaces in them.
func (r *recorded) limits(ctx context.Context, office *admin.Client, other Other) (place map[uuid.UUID]int, err error) {
	tiers, err := office.Tiers(ctx)
	if err != nil {
		return nil, err
	}
	workspaces, err := office.WorkspaceLimits(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := office.Settings(ctx)
	if err != nil {
		return nil, err
	}
	plans, names := map[string]admin.WorkspaceLimits{}, make([]string, len(tiers))
	for i, t := range tiers {
		plans[t.Plan], names[i] = planLimits(t), t.Plan
	}
	for plan := range other.Plans {
		if _, known := plans[plan]; !known {
			return nil, &store.RequestError{Kind: admin.ErrUnknownPlan, Message: fmt.Sprintf("unknown plan %q", plan), Hint: "there are " + strings.Join(names, ", ")}
		}
	}
	place = map[uuid.UUID]int{}
	for i, w := range workspaces {
		place[w.ID] = i
		r.ids = append(r.ids, w.ID)
		own, plan := passing(w), plans[w.Plan]
		r.now.Workspaces = append(r.now.Workspaces, Workspace(w.Name, over(own, plan)))
		r.then.Workspaces = append(r.then.Workspaces, Workspace(w.Name, over(Changed(own, other.Workspaces[w.ID]), Changed(plan, other.Plans[w.Plan]))))
	}
	for id := range other.Workspaces {
		if _, known := place[id]; !known {
			return nil, &store.RequestError{Kind: admin.ErrUnknownWorkspace, Message: "unknown workspace " + id.String()}
		}
	}
	r.now.Global, r.now.AgeingStep, r.now.SlotTime = slotsOf(settings.MaxConcurrentWorkflows), settings.AgeingStep, settings.Fairness == admin.FairSlotTime
	r.then.Global, r.then.AgeingStep, r.then.SlotTime = r.now.Global, r.now.AgeingStep, r.now.SlotTime
	other.Apply(&r.then)
	return place, nil
}

// Apply sets what holds for all workspaces together.
func (o Other) Apply(c *simulate.Config) {
	if o.Global != nil {
		c.Global = slotsOf(o.Global.To)
	}
	if o.AgeingStep != nil {
		c.AgeingStep = *o.AgeingStep
	}
	if o.Fairness != "" {
		c.SlotTime = o.Fairness == admin.FairSlotTime
	}
}

// slotsOf is a global limit as a simulation has it.
func slotsOf(limit *int) int {
	switch {
	case limit == nil:
		return 0
	case *limit == 0:
		return -1
	}
	return *limit
}
