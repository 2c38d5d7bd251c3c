package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/workflows"
)

func (s *API) controls(h huma.API) {
	tags := []string{"operation"}
	register(s, h, route{grant: operatorReads, Operation: huma.Operation{
		OperationID: "list-pauses", Method: http.MethodGet, Path: "/api/v1/pauses", Tags: tags, Summary: "List what is paused",
		Description: "The latest first. A pause of the dispatchers themselves is in their status.",
	}}, s.listPauses)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "pause", Method: http.MethodPost, Path: "/api/v1/pause", Tags: tags, Summary: "Start nothing new of all there is, of a workspace, of a workflow type or of a definition",
		Description: "From the next claim on. What runs goes on, limits stay what they are, and types and definitions that are paused hold up no others. To pause what is paused gives that the new reason and end.",
	}}, s.pause)
	register(s, h, route{grant: operatorWrites, timeout: 40 * time.Second, Operation: huma.Operation{
		OperationID: "resume", Method: http.MethodPost, Path: "/api/v1/resume", Tags: tags, Summary: "End a pause",
		Description: "Name what was named when it began: it ends that pause and no other. Without a name it ends the pause of all there is, and that of the dispatchers themselves.",
	}}, s.resume)
	register(s, h, route{grant: operatorWrites, Operation: huma.Operation{
		OperationID: "end-temporary-limits", Method: http.MethodDelete, Path: "/api/v1/workspaces/{workspace}/temporary", Tags: []string{"workspaces"}, Summary: "End the limits of a workspace that hold for a time",
		Description: "Each falls back to what it would be without.",
	}}, s.endTemporary)
	register(s, h, route{grant: operatorWrites, timeout: longestDeletion + requestTimeout, Operation: huma.Operation{
		OperationID: "delete-workspace", Method: http.MethodDelete, Path: "/api/v1/workspaces/{workspace}", Tags: []string{"workspaces"}, Summary: "Delete a workspace and all that belongs to it",
		Description: "Its definitions, what it has waiting, what has ended, inputs, unique keys, log and limits. From the first moment on nothing can be enqueued for it, unless an enqueue " +
			"creates it anew (autoCreatePlan). What runs is cancelled, and terminated when it has not ended within grace. With dryRun it only counts. Broken off, send the same again, with the workspace's id.",
	}}, s.deleteWorkspace)
}

// Scope is what is paused.
type Scope struct {
	Workspace  string     `json:"workspace,omitempty" minLength:"1" maxLength:"200" doc:"Only the workspace with this id or key."`
	Type       string     `json:"type,omitempty" minLength:"1" maxLength:"1000" doc:"Only workflows of this type; without workspace in all workspaces."`
	Definition *uuid.UUID `json:"definition,omitempty" doc:"Only this definition."`
	Reason     string     `json:"reason,omitempty" maxLength:"1000" doc:"Why, for those who look, and for the activity log."`
}

func (s *API) scope(ctx context.Context, who access.Caller, n *Scope) (scope admin.Scope, err error) {
	scope.WorkflowType = n.Type
	if n.Definition != nil {
		if scope.DefinitionID = *n.Definition; scope.DefinitionID == uuid.Nil {
			return scope, store.Invalid("definition must be the id of one")
		}
	}
	if n.Workspace != "" {
		scope.WorkspaceID, err = s.workspace(ctx, who, n.Workspace)
	}
	return scope, err
}

// Term is until when something holds.
type Term struct {
	For   Period     `json:"for,omitempty" doc:"For so long, by the clock of the database; then it ends by itself."`
	Until *time.Time `json:"until,omitempty" doc:"Until this time; then it ends by itself."`
}

// term is the zero one where none was given.
func (t Term) term() (term admin.Term, err error) {
	if t.For != "" {
		if term.For, err = t.For.duration("for"); err == nil && term.For == 0 {
			err = store.Invalid("for must be more than 0")
		}
	}
	if t.Until != nil {
		if term.Until = *t.Until; term.Until.IsZero() {
			err = store.Invalid("until lies in the past")
		}
	}
	return term, err
}

// pauses is what is paused.
type pauses struct {
	Pauses []admin.Pause `json:"pauses"`
}

func (s *API) listPauses(ctx context.Context, _ access.Caller, _ *struct{}) (*body[pauses], error) {
	list, err := s.office.Pauses(ctx)
	return answer(pauses{append([]admin.Pause{}, list...)}, err)
}

// held is what has become of a pause.
type held struct {
	Changed          bool          `json:"changed" doc:"false: it was so before."`
	Paused           []admin.Pause `json:"paused" doc:"What is paused now."`
	DispatchersError string        `json:"dispatchersError,omitempty" doc:"Why it is not known whether the dispatchers themselves are paused."`
}

func (s *API) nowHeld(ctx context.Context, h held) (*body[held], error) {
	list, err := s.office.Pauses(ctx)
	h.Paused = append([]admin.Pause{}, list...)
	return answer(h, err)
}

type pauseInput struct {
	Body struct {
		Scope
		Term
	}
}

func (s *API) pause(ctx context.Context, who access.Caller, in *pauseInput) (*body[held], error) {
	scope, err := s.scope(ctx, who, &in.Body.Scope)
	if err != nil {
		return nil, err
	}
	term, err := in.Body.term()
	if err != nil {
		return nil, err
	}
	changed, err := s.office.Pause(ctx, scope, term, who.Actor, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return s.nowHeld(ctx, held{Changed: changed})
}

type resumeInput struct {
	Body Scope
}

func (s *API) resume(ctx context.Context, who access.Caller, in *resumeInput) (*body[held], error) {
	scope, err := s.scope(ctx, who, &in.Body)
	if err != nil {
		return nil, err
	}
	var h held
	if h.Changed, err = s.office.Resume(ctx, scope, who.Actor, in.Body.Reason); err != nil {
		return nil, err
	}
	if scope == (admin.Scope{}) {
		switch _, err := operate.Resume(ctx, s.Temporal, s.Pool, workflows.ResumeRequest{Actor: who.Actor}); {
		case err == nil:
			h.Changed = true
		case !errors.Is(err, operate.ErrRefused): // they are not paused themselves
			h.DispatchersError = err.Error()
		}
	}
	return s.nowHeld(ctx, h)
}

func (s *API) endTemporary(ctx context.Context, who access.Caller, in *WorkspacePath) (*body[admin.WorkspaceLimits], error) {
	id, err := s.workspace(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	if _, err := s.office.EndTemporary(ctx, id, who.Actor); err != nil {
		return nil, err
	}
	list, err := s.office.WorkspaceLimits(ctx, id)
	if err == nil && len(list) == 0 {
		err = unknownWorkspace(in.Workspace) // it was deleted meanwhile
	}
	if err != nil {
		return nil, err
	}
	return answer(list[0], nil)
}

const (
	longestGrace    = 2 * time.Minute
	longestDeletion = 5 * time.Minute
)

type deleteWorkspaceInput struct {
	WorkspacePath
	Grace  Period `query:"grace" default:"30s" doc:"How long what runs may take to end when it is cancelled, 2m at most."`
	DryRun bool   `query:"dryRun" doc:"Count what there is, and delete nothing."`
}

func (s *API) deleteWorkspace(ctx context.Context, who access.Caller, in *deleteWorkspaceInput) (*body[operate.Deleted], error) {
	grace, err := in.Grace.duration("grace")
	if err == nil && grace > longestGrace {
		err = store.Invalid("grace must be at most %s", longestGrace)
	}
	if err != nil {
		return nil, err
	}
	id, err := s.ownOrNamed(ctx, who, in.Workspace) // one whose row is gone is cleaned up after
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		b, err := s.office.Belongings(ctx, id)
		if err == nil && b == (admin.Belongings{}) {
			err = unknownWorkspace(in.Workspace)
		}
		return answer(operate.Deleted{WorkspaceID: id, Pending: int64(b.Pending), Ended: int64(b.Ended), Running: b.Running}, err)
	}
	return answer(operate.DeleteWorkspace(ctx, s.Pool, s.overview.Dial, id, who.Actor, grace))
}
