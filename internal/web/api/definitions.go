package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/queue"
)

func (s *API) definitions(h huma.API) {
	tags := []string{"definitions"}
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "list-definitions", Method: http.MethodGet, Path: "/api/v1/definitions", Tags: tags, Summary: "List definitions at their current versions, by name",
		Description: "A page of definitions, those of a workspace together. To go on, give next as after.",
	}}, s.listDefinitions)
	register(s, h, route{grant: writes, Operation: huma.Operation{
		OperationID: "apply-definition", Method: http.MethodPost, Path: "/api/v1/definitions", Tags: tags, Summary: "Make a graph the current version of the definition it names",
		Description: "It creates the definition if need be. Applying what is current already changes nothing. Executions keep the version that they were claimed with.",
	}}, s.applyDefinition)
	register(s, h, route{grant: reads, Operation: huma.Operation{
		OperationID: "get-definition", Method: http.MethodGet, Path: "/api/v1/definitions/{definition}", Tags: tags, Summary: "Get a definition with its graph",
	}}, s.getDefinition)
	register(s, h, route{grant: writes, Operation: huma.Operation{
		OperationID: "delete-definition", Method: http.MethodDelete, Path: "/api/v1/definitions/{definition}", Tags: tags, Summary: "Delete a definition with its versions",
		Description: "Nothing can be enqueued of it from then on, and its name is free. What waits of it ends FAILED (definition-gone) when its turn comes, and what has started goes on.",
	}}, s.deleteDefinition)
}

type listDefinitionsInput struct {
	Workspace string    `query:"workspace" maxLength:"200" doc:"Only those of the workspace with this id or key."`
	After     uuid.UUID `query:"after" doc:"Only those that come after this definition: next of the page before."`
	Limit     int       `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"At most so many."`
}

// definitionPage is a page of definitions.
type definitionPage struct {
	Definitions []admin.Definition `json:"definitions"`
	Next        *uuid.UUID         `json:"next,omitempty" doc:"What to give as after for the page after this one, which may be empty; none: this is the last."`
}

func (s *API) listDefinitions(ctx context.Context, who access.Caller, in *listDefinitionsInput) (*body[definitionPage], error) {
	id, err := s.ownOrNamed(ctx, who, in.Workspace)
	if err != nil {
		return nil, err
	}
	list, err := s.office.Definitions(ctx, admin.DefinitionFilter{WorkspaceID: id, After: in.After, Limit: in.Limit})
	page := definitionPage{Definitions: append([]admin.Definition{}, list...)}
	if n := len(list); n == in.Limit {
		page.Next = &list[n-1].ID
	}
	return answer(page, err)
}

type applyDefinitionInput struct {
	Body struct {
		Workspace string          `json:"workspace,omitempty" maxLength:"200" doc:"The workspace's id, or the platform's key of it. A token of a workspace needs none."`
		Graph     json.RawMessage `json:"graph" doc:"What starter definition apply takes as a file: a JSON object with a name and nodes."`
	}
}

func (s *API) applyDefinition(ctx context.Context, who access.Caller, in *applyDefinitionInput) (*body[admin.Definition], error) {
	if who.Operator && in.Body.Workspace == "" {
		return nil, store.Invalid("workspace is missing: give its id, or the platform's key of it")
	}
	id, err := s.ownOrNamed(ctx, who, in.Body.Workspace)
	if err != nil {
		return nil, err
	}
	return answer(s.office.ApplyDefinition(ctx, id, in.Body.Graph, who.Actor))
}

type definitionInput struct {
	ID uuid.UUID `path:"definition" doc:"The definition's id."`
}

func (s *API) getDefinition(ctx context.Context, who access.Caller, in *definitionInput) (*body[admin.DefinitionGraph], error) {
	return answer(s.ownDefinition(ctx, who, in.ID))
}

// ownDefinition is a definition that the caller may see.
func (s *API) ownDefinition(ctx context.Context, who access.Caller, id uuid.UUID) (admin.DefinitionGraph, error) {
	found, err := s.office.Definition(ctx, id)
	switch {
	case err == nil && !who.Sees(found.WorkspaceID), errors.Is(err, queue.ErrUnknownDefinition):
		return found, &store.RequestError{Kind: queue.ErrUnknownDefinition, Message: "unknown workflow definition " + id.String()}
	}
	return found, err
}

func (s *API) deleteDefinition(ctx context.Context, who access.Caller, in *definitionInput) (*body[admin.Definition], error) {
	if _, err := s.ownDefinition(ctx, who, in.ID); err != nil {
		return nil, err
	}
	return answer(s.office.DeleteDefinition(ctx, in.ID, who.Actor))
}
