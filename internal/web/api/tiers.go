package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sluice/admin"
	"sluice/internal/web/access"
)

func (s *API) tiers(h huma.API) {
	tags := []string{"workspaces"}
	register(s, h, route{grant: operatorReads, Operation: huma.Operation{
		OperationID: "list-tiers", Method: http.MethodGet, Path: "/api/v1/tiers", Tags: tags, Summary: "List plans and their limits",
	}}, s.listTiers)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "set-tier", Method: http.MethodPatch, Path: "/api/v1/tiers/{plan}", Tags: tags, Summary: "Set limits of a plan, or create one",
		Description: "They are those of each workspace of the plan, from the next claim on. A plan that does not exist is created when maxConcurrentWorkflows is given.",
	}}, s.setTier)
	register(s, h, route{grant: operatorReads, Operation: huma.Operation{
		OperationID: "get-limits", Method: http.MethodGet, Path: "/api/v1/limits", Tags: tags, Summary: "Get what holds for all workspaces together",
	}}, s.getLimits)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "set-limits", Method: http.MethodPatch, Path: "/api/v1/limits", Tags: tags, Summary: "Set what holds for all workspaces together",
		Description: "From the next claim on; a cut drains, it ends nothing that runs. What is not given stays.",
	}}, s.setLimits)
}

// tierList is a list of tiers.
type tierList struct {
	Tiers []admin.Tier `json:"tiers" nullable:"false" doc:"The smallest first."`
}

func (s *API) listTiers(ctx context.Context, _ access.Caller, _ *struct{}) (*body[tierList], error) {
	tiers, err := s.office.Tiers(ctx)
	return answer(tierList{append([]admin.Tier{}, tiers...)}, err)
}

type setTierInput struct {
	Plan string `path:"plan" maxLength:"63" doc:"A word of capital letters, digits, - and _."`
	Body struct {
		CommonLimits
		MaxConcurrentWorkflows *int `json:"maxConcurrentWorkflows,omitempty" nullable:"false" doc:"How many workflows a workspace of this plan may run at once."`
		Weight                 *int `json:"weight,omitempty" nullable:"false" doc:"Its share, against other plans, when not all can be served at once."`
	}
}

func (s *API) setTier(ctx context.Context, who access.Caller, in *setTierInput) (*body[admin.Tier], error) {
	b := &in.Body
	return answer(s.office.SetTier(ctx, in.Plan, admin.TierChange{
		MaxConcurrentWorkflows: b.MaxConcurrentWorkflows, Weight: b.Weight, NominalQuota: b.NominalQuota.change(),
		BorrowingLimit: b.BorrowingLimit.change(), LendingLimit: b.LendingLimit.change(), StartsPerSecond: b.StartsPerSecond.change(), Burst: b.Burst.change(),
	}, who.Actor))
}

// limits are what holds for all workspaces together, in the words of starter limits show.
type limits struct {
	MaxConcurrentWorkflows *int    `json:"maxConcurrentWorkflows" doc:"How many workflows may run at once in all; null: not bounded."`
	AgeingStep             string  `json:"ageingStep" doc:"The head start of a priority against the next one."`
	Retention              string  `json:"retention" doc:"How long what has ended is kept; 0s: for ever."`
	AutoCreatePlan         *string `json:"autoCreatePlan" doc:"The plan of workspaces that their first item creates; null: they are created beforehand."`
	TaskQueueTemplate      string  `json:"taskQueueTemplate" doc:"The task queue of workflows that name none."`
	Fairness               string  `json:"fairness" doc:"What workspaces share by weight: slot-time, the time for which slots are held, or starts."`
}

func limitsOf(s admin.Settings, err error) (*body[limits], error) {
	return answer(limits{s.MaxConcurrentWorkflows, s.AgeingStep.String(), s.Retention.String(), s.AutoCreatePlan, s.TaskQueue, s.Fairness}, err)
}

func (s *API) getLimits(ctx context.Context, _ access.Caller, _ *struct{}) (*body[limits], error) {
	return limitsOf(s.office.Settings(ctx))
}

type setLimitsInput struct {
	Body struct {
		MaxConcurrentWorkflows changed[int]    `json:"maxConcurrentWorkflows,omitempty" doc:"How many workflows may run at once in all; null: not bounded."`
		AgeingStep             Period          `json:"ageingStep,omitempty" doc:"The head start of a priority against the next one."`
		Retention              Period          `json:"retention,omitempty" doc:"How long what has ended is kept; 0: for ever."`
		AutoCreatePlan         changed[string] `json:"autoCreatePlan,omitempty" doc:"The plan of workspaces that their first item creates; null: they are created beforehand."`
		TaskQueueTemplate      *string         `json:"taskQueueTemplate,omitempty" nullable:"false" maxLength:"900" doc:"The task queue of workflows that name none; {workspace} is the id of their workspace."`
		Fairness               *string         `json:"fairness,omitempty" nullable:"false" enum:"slot-time,starts" doc:"What workspaces share by weight: the time for which slots are held, or how often something starts."`
	}
}

func (s *API) setLimits(ctx context.Context, who access.Caller, in *setLimitsInput) (*body[limits], error) {
	b := &in.Body
	change := admin.SettingsChange{MaxConcurrentWorkflows: b.MaxConcurrentWorkflows.change(), AutoCreatePlan: b.AutoCreatePlan.change(), TaskQueue: b.TaskQueueTemplate, Fairness: b.Fairness}
	for _, p := range []struct {
		name string
		in   Period
		to   **time.Duration
	}{{"ageingStep", b.AgeingStep, &change.AgeingStep}, {"retention", b.Retention, &change.Retention}} {
		if p.in == "" {
			continue
		}
		d, err := p.in.duration(p.name)
		if err != nil {
			return nil, err
		}
		*p.to = &d
	}
	return limitsOf(s.office.Set(ctx, change, who.Actor))
}
