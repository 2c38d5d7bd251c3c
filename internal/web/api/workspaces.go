package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/overview"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/web/access"
)

func (s *API) workspaces(h huma.API) {
	tags := []string{"workspaces"}
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "list-workspaces", Method: http.MethodGet, Path: "/api/v1/workspaces", Tags: tags, Summary: "List workspaces",
		Description: "Workspaces with what they use and what they wait for, and what has ended in the last hour, or as much as since says.",
	}}, s.listWorkspaces)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "create-workspace", Method: http.MethodPost, Path: "/api/v1/workspaces", Tags: tags, Summary: "Create a workspace", DefaultStatus: http.StatusCreated,
	}}, s.createWorkspace)
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "get-workspace", Method: http.MethodGet, Path: "/api/v1/workspaces/{workspace}", Tags: tags, Summary: "Get a workspace",
		Description: "What it uses, what it waits for, and the limits that are set for it instead of its plan's.",
	}}, s.getWorkspace)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "set-workspace", Method: http.MethodPatch, Path: "/api/v1/workspaces/{workspace}", Tags: tags, Summary: "Set limits of a workspace",
		Description: "They hold from the next claim on; a cut drains, it ends nothing that runs. What is not given stays, and with null its plan's limit holds again. With for or until, limits hold for a time and fall back by themselves.",
	}}, s.setWorkspace)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "set-plan", Method: http.MethodPut, Path: "/api/v1/workspaces/{workspace}/plan", Tags: tags, Summary: "Move a workspace to another plan",
		Description: "From the next claim on. A smaller plan ends nothing that runs.",
	}}, s.setPlan)
}

type listWorkspacesInput struct {
	Since Period `query:"since" default:"1h" doc:"Count what has ended in the last so long: 7d at most for a token of a workspace, 366d for one of an operator."`
}

// workspaceList is a list of workspaces.
type workspaceList struct {
	Workspaces []facts.WorkspaceUsage `json:"workspaces"`
}

func (s *API) listWorkspaces(ctx context.Context, who access.Caller, in *listWorkspacesInput) (*body[workspaceList], error) {
	window, err := since(who, in.Since)
	if err != nil {
		return nil, err
	}
	list, err := overview.Workspaces(ctx, s.Pool, window, only(who)...)
	return answer(workspaceList{list}, err)
}

// only is what a listing is narrowed to: nothing for operators.
func only(who access.Caller) []uuid.UUID {
	if who.Operator {
		return nil
	}
	return []uuid.UUID{who.Workspace}
}

type newWorkspaceInput struct {
	Body struct {
		Name        string     `json:"name" minLength:"1" maxLength:"200" doc:"It need not be unique."`
		Plan        string     `json:"plan,omitempty" maxLength:"63" doc:"Defaults to FREE."`
		ID          *uuid.UUID `json:"id,omitempty" doc:"Of the platform's own; defaults to one that is made."`
		ExternalKey string     `json:"externalKey,omitempty" maxLength:"200" doc:"What the platform calls it; no other workspace may have the same."`
	}
}

func (s *API) createWorkspace(ctx context.Context, who access.Caller, in *newWorkspaceInput) (*body[admin.Workspace], error) {
	n := admin.NewWorkspace{Name: in.Body.Name, Plan: in.Body.Plan, ExternalKey: in.Body.ExternalKey}
	if in.Body.ID != nil {
		n.ID = *in.Body.ID
	}
	return answer(s.office.AddWorkspace(ctx, n, who.Actor))
}

// WorkspacePath names a workspace.
type WorkspacePath struct {
	Workspace string `path:"workspace" maxLength:"200" doc:"Its id, or the platform's key of it."`
}

// workspaceAnswer is a workspace with what it uses, and what is set for it.
type workspaceAnswer struct {
	facts.WorkspaceUsage
	Limits admin.WorkspaceLimits `json:"limits" doc:"What is set for it instead of what its plan says."`
}

func (s *API) getWorkspace(ctx context.Context, who access.Caller, in *WorkspacePath) (*body[workspaceAnswer], error) {
	id, err := s.workspace(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	usage, err := overview.Workspaces(ctx, s.Pool, overview.EndedWindow, id)
	if err != nil {
		return nil, err
	}
	limits, err := s.office.WorkspaceLimits(ctx, id)
	if err == nil && (len(usage) == 0 || len(limits) == 0) {
		err = unknownWorkspace(in.Workspace) // it was deleted meanwhile
	}
	if err != nil {
		return nil, err
	}
	return answer(workspaceAnswer{usage[0], limits[0]}, nil)
}

type setWorkspaceInput struct {
	WorkspacePath
	Body struct {
		CommonLimits
		Term
		Reason                 string            `json:"reason,omitempty" maxLength:"1000" doc:"Why limits hold for a time, for the activity log."`
		MaxConcurrentWorkflows changed[int]      `json:"maxConcurrentWorkflows,omitempty" doc:"How many workflows it may run at once."`
		Weight                 changed[int]      `json:"weight,omitempty" doc:"Its share, against others, when not all can be served at once."`
		Cohort                 changed[string]   `json:"cohort,omitempty" doc:"Whose members lend one another what they leave idle."`
		AllowedHosts           changed[[]string] `json:"allowedHosts,omitempty" doc:"What its http nodes may call: names, *.NAME or addresses, with :PORT or without."`
		ExternalKey            changed[string]   `json:"externalKey,omitempty" doc:"What the platform calls it."`
	}
}

// CommonLimits are limits that a workspace and a tier have in common.
type CommonLimits struct {
	NominalQuota    changed[int]     `json:"nominalQuota,omitempty" doc:"How many slots are guaranteed."`
	BorrowingLimit  changed[int]     `json:"borrowingLimit,omitempty" doc:"How many slots above the nominal quota may be borrowed."`
	LendingLimit    changed[int]     `json:"lendingLimit,omitempty" doc:"How many slots of the nominal quota may be lent to others of the cohort while they are idle."`
	StartsPerSecond changed[float64] `json:"startsPerSecond,omitempty" doc:"How often something may start."`
	Burst           changed[int]     `json:"burst,omitempty" doc:"How many starts at once after a rest."`
}

func (s *API) setWorkspace(ctx context.Context, who access.Caller, in *setWorkspaceInput) (*body[admin.WorkspaceLimits], error) {
	id, err := s.workspace(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	b := &in.Body
	change := admin.WorkspaceChange{
		MaxConcurrentWorkflows: b.MaxConcurrentWorkflows.change(), Weight: b.Weight.change(), NominalQuota: b.NominalQuota.change(),
		BorrowingLimit: b.BorrowingLimit.change(), LendingLimit: b.LendingLimit.change(), StartsPerSecond: b.StartsPerSecond.change(), Burst: b.Burst.change(),
		Cohort: b.Cohort.change(), AllowedHosts: b.AllowedHosts.change(), ExternalKey: b.ExternalKey.change(),
	}
	term, err := b.term()
	switch {
	case err != nil:
		return nil, err
	case term != (admin.Term{}):
		return answer(s.office.SetWorkspaceFor(ctx, id, change, term, who.Actor, b.Reason))
	case b.Reason != "":
		return nil, store.Invalid("reason says why limits hold for a time: give for or until too")
	}
	return answer(s.office.SetWorkspace(ctx, id, change, who.Actor))
}

type setPlanInput struct {
	WorkspacePath
	Body struct {
		Plan string `json:"plan" minLength:"1" maxLength:"63"`
	}
}

func (s *API) setPlan(ctx context.Context, who access.Caller, in *setPlanInput) (*body[admin.Workspace], error) {
	id, err := s.workspace(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	return answer(s.office.SetPlan(ctx, id, in.Body.Plan, who.Actor))
}

// unknownWorkspace is what is answered for one that there is not, and for another's.
func unknownWorkspace(key string) error {
	return &store.RequestError{Kind: admin.ErrUnknownWorkspace, Message: fmt.Sprintf("unknown workspace %q", key)}
}

// workspace returns the id of a workspace that the caller may see, by its id or the platform's key of it.
func (s *API) workspace(ctx context.Context, who access.Caller, key string) (uuid.UUID, error) {
	found, err := s.office.Workspace(ctx, key)
	switch {
	case err == nil && who.Sees(found.ID):
		return found.ID, nil
	case err == nil, errors.Is(err, admin.ErrUnknownWorkspace):
		return uuid.Nil, unknownWorkspace(key)
	}
	return uuid.Nil, err
}

// ownOrNamed is the workspace that a listing is narrowed to: the caller's own, or for an operator the one that is named, if any. An operator may name
// one that has been deleted by its id.
func (s *API) ownOrNamed(ctx context.Context, who access.Caller, key string) (uuid.UUID, error) {
	if key == "" {
		return who.Workspace, nil
	}
	id, err := s.workspace(ctx, who, key)
	if who.Operator && errors.Is(err, admin.ErrUnknownWorkspace) {
		if parsed, parseErr := uuid.Parse(key); parseErr == nil && parsed != uuid.Nil { // the nil id stands for all of them
			return parsed, nil
		}
	}
	return id, err
}

// enqueueFor is the workspace that an item is enqueued for: the caller's own, or for an operator the one that is named, which is created where the
// deployment has a plan for that. It is not created for a definition, which would not be its own, nor again for a token that was accepted just
// before its workspace was deleted.
func (s *API) enqueueFor(ctx context.Context, who access.Caller, n *newItem) (uuid.UUID, error) {
	switch {
	case !who.Operator && n.Workflow != nil:
		return s.workspace(ctx, who, cmp.Or(n.Workspace, who.Workspace.String()))
	case !who.Operator:
		return s.ownOrNamed(ctx, who, n.Workspace)
	case n.Workspace == "":
		return uuid.Nil, store.Invalid("workspace is missing: give its id, or the platform's key of it")
	case n.Definition != nil:
		found, err := s.office.Workspace(ctx, n.Workspace)
		return found.ID, err
	}
	return s.queue.Workspace(ctx, n.Workspace)
}
