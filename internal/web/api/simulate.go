package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/internal/whatif"
	"sluice/workflows"
)

// simulationTimeout ends a simulation that takes too long: thousands of workspaces that all have a backlog the whole time.
const simulationTimeout = time.Minute

const simulationDescription = "Plays the executions of the last so long in virtual time, with the limits as they are and with those given here. Each takes as long as it did, from the moment it starts. " +
	"Nothing is changed and nothing runs. Of more than 100000 executions of all workspaces the newest are played: then cutOff is true. One simulation runs at a time for operators, and one for tokens of workspaces; another is answered 429 meanwhile."

func (s *API) simulate(h huma.API) {
	register(s, h, route{grant: operatorReads, timeout: simulationTimeout, Operation: huma.Operation{
		OperationID: "simulate", Method: http.MethodPost, Path: "/api/v1/simulate", Tags: []string{"operation"}, Summary: "Play what has run against other limits, and compare the waits",
		Description: simulationDescription,
	}}, s.simulateAll)
	register(s, h, route{grant: reads, timeout: simulationTimeout, Operation: huma.Operation{
		OperationID: "simulate-workspace", Method: http.MethodPost, Path: "/api/v1/workspaces/{workspace}/simulate", Tags: []string{"workspaces"}, Summary: "Play what has run against other limits of one workspace",
		Description: simulationDescription + " The executions of all workspaces are played, because they share limits; the answer has those of this one only.",
	}}, s.simulateWorkspace)
}

// Played is what a simulation plays.
type Played struct {
	Since Period `json:"since,omitempty" doc:"Play what became available in the last so long: 7d at most for a token of a workspace, 366d for one of an operator; 24h where it is left out."`
}

func (p Played) question(who access.Caller, other whatif.Other) (q whatif.Question, err error) {
	q = whatif.Question{Since: 24 * time.Hour, Most: whatif.Most, Batch: workflows.DefaultBatchSize, Other: other}
	if p.Since != "" {
		q.Since, err = since(who, p.Since)
	}
	return q, err
}

// OtherLimits are those of a plan or of a workspace that become others.
type OtherLimits struct {
	CommonLimits
	MaxConcurrentWorkflows changed[int] `json:"maxConcurrentWorkflows,omitempty" doc:"How many workflows may run at once."`
	Weight                 changed[int] `json:"weight,omitempty" doc:"The share, against others, when not all can be served at once."`
}

func (l OtherLimits) change() admin.WorkspaceChange {
	return admin.WorkspaceChange{
		MaxConcurrentWorkflows: l.MaxConcurrentWorkflows.change(), Weight: l.Weight.change(), NominalQuota: l.NominalQuota.change(), BorrowingLimit: l.BorrowingLimit.change(),
		LendingLimit: l.LendingLimit.change(), StartsPerSecond: l.StartsPerSecond.change(), Burst: l.Burst.change(),
	}
}

// otherPlan are other limits of a plan.
type otherPlan struct {
	Plan string `json:"plan" minLength:"1" maxLength:"63"`
	OtherLimits
}

// otherWorkspace are other limits of a workspace.
type otherWorkspace struct {
	Workspace string `json:"workspace" minLength:"1" maxLength:"200" doc:"Its id, or the platform's key of it."`
	OtherLimits
	Cohort changed[string] `json:"cohort,omitempty" doc:"Whose members lend one another what they leave idle."`
}

type simulateInput struct {
	Body struct {
		Played
		BatchSize              int              `json:"batchSize,omitempty" minimum:"1" maximum:"100000" doc:"The most that one cycle claims; 128 where it is left out."`
		MaxConcurrentWorkflows changed[int]     `json:"maxConcurrentWorkflows,omitempty" doc:"How many workflows may run at once in all; null: not bounded."`
		AgeingStep             Period           `json:"ageingStep,omitempty" doc:"The head start of a priority against the next one."`
		Fairness               string           `json:"fairness,omitempty" enum:"slot-time,starts" doc:"What workspaces share by weight."`
		Plans                  []otherPlan      `json:"plans,omitempty" maxItems:"100" doc:"Other limits of plans. What is not given stays, and null takes a limit away."`
		Workspaces             []otherWorkspace `json:"workspaces,omitempty" maxItems:"100" doc:"Other limits of workspaces. What is not given stays, and with null the plan's limit holds."`
		Most                   int              `json:"most,omitempty" minimum:"1" maximum:"10000" doc:"The most workspaces in the answer; 100 where it is left out."`
	}
}

func (s *API) simulateAll(ctx context.Context, who access.Caller, in *simulateInput) (*body[simulationAnswer], error) {
	b := &in.Body
	other := whatif.Other{Global: b.MaxConcurrentWorkflows.change(), Fairness: b.Fairness, Plans: map[string]admin.WorkspaceChange{}, Workspaces: map[uuid.UUID]admin.WorkspaceChange{}}
	if b.AgeingStep != "" {
		step, err := b.AgeingStep.duration("ageingStep")
		if err != nil {
			return nil, err
		}
		other.AgeingStep = &step
	}
	for _, p := range b.Plans {
		if _, twice := other.Plans[p.Plan]; twice {
			return nil, store.Invalid("plan %q is given twice: give all its limits at once", p.Plan)
		}
		other.Plans[p.Plan] = p.change()
	}
	for _, w := range b.Workspaces {
		id, err := s.workspace(ctx, who, w.Workspace)
		if err != nil {
			return nil, err
		}
		if _, twice := other.Workspaces[id]; twice {
			return nil, store.Invalid("workspace %q is given twice: give all its limits at once", w.Workspace)
		}
		change := w.change()
		change.Cohort = w.Cohort.change()
		other.Workspaces[id] = change
	}
	q, err := b.question(who, other)
	if err != nil {
		return nil, err
	}
	if b.BatchSize > 0 {
		q.Batch = b.BatchSize
	}
	c, err := s.play(ctx, who, q)
	if err != nil {
		return nil, err
	}
	most := b.Most
	if most == 0 {
		most = 100
	}
	return answer(simulationAnswerOf(c, most), nil)
}

type simulateWorkspaceInput struct {
	WorkspacePath
	Body struct {
		Played
		OtherLimits
	}
}

func (s *API) simulateWorkspace(ctx context.Context, who access.Caller, in *simulateWorkspaceInput) (*body[workspaceSimulationAnswer], error) {
	id, err := s.workspace(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	q, err := in.Body.question(who, whatif.Other{Workspaces: map[uuid.UUID]admin.WorkspaceChange{id: in.Body.change()}})
	if err != nil {
		return nil, err
	}
	c, err := s.play(ctx, who, q)
	if err != nil {
		return nil, err
	}
	return answer(workspaceSimulationAnswerOf(c.Of(id, courseSteps), c.CutOff), nil)
}

// play plays one simulation at a time, because each takes a processor that the dispatcher may need. Tokens of workspaces have a place of their
// own: who asks again and again with one keeps no operator out.
func (s *API) play(ctx context.Context, who access.Caller, q whatif.Question) (c whatif.Comparison, err error) {
	leave, ok := s.simulations.enter(who)
	if !ok {
		return c, newProblem(http.StatusTooManyRequests, "too-many", "a simulation is under way already; try again").later()
	}
	defer leave()
	c, err = whatif.Play(ctx, s.Pool, q)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return c, newProblem(http.StatusGatewayTimeout, "timeout", fmt.Sprintf("the simulation took more than %s: give a shorter since, or ask with starter simulate", simulationTimeout))
	}
	return c, err
}
