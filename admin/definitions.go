package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/definition"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Definition is a graph of nodes that Sluice runs itself, at its current version.
type Definition struct {
	ID          uuid.UUID `json:"id"`
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Name        string    `json:"name"`
	Version     int       `json:"version"`
	Nodes       int       `json:"nodes"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

// ApplyDefinition validates a definition file and makes it the current version of the definition with its name in the
// workspace, creating the definition if need be. Applying what is current already changes nothing. Executions keep
// the version they were claimed with; older versions than the newest 100 are deleted once none runs them. Nodes that name what is
// Sluice's own or another workspace's are refused, here and again when they start. Errors: ErrInvalid with everything that is wrong,
// ErrUnknownWorkspace, ErrTooManyDefinitions for a workspace that has 1,000 already.
func (c *Client) ApplyDefinition(ctx context.Context, workspace uuid.UUID, file []byte, actor string) (d Definition, err error) {
	const doing = "apply definition"
	graph, err := definition.Parse(file)
	if err = errors.Join(err, graph.CheckOwner(workspace)); err == nil {
		err = bounded(graph, file)
	}
	if err != nil {
		return d, fmt.Errorf("%s: %w", doing, &store.RequestError{Kind: ErrInvalid, Message: err.Error()})
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		if err := catalog.CheckTaskQueues(ctx, tx, workspace, graph.TaskQueues()...); err != nil {
			return err
		}
		d, err = catalog.ApplyDefinition[Definition](ctx, tx, workspace, graph.Name, file, actor)
		return err
	})
	return d, err
}

// DefinitionFilter says which definitions to list.
type DefinitionFilter struct {
	WorkspaceID uuid.UUID // nil: those of all workspaces
	After       uuid.UUID // those that come after this one: the last of the page before
	Limit       int       // defaults to 50
}

// Definitions lists definitions, those of a workspace together and by name: a page of them, whose last one is what the next page is after.
// ErrUnknownDefinition says that there is no such one any more.
func (c *Client) Definitions(ctx context.Context, f DefinitionFilter) ([]Definition, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	return catalog.Definitions[Definition](ctx, c.pool, f.WorkspaceID, f.After, f.Limit)
}

// DefinitionGraph is a definition with its graph: the file as it was applied, but for blanks and the order of keys.
type DefinitionGraph struct {
	Definition
	Graph json.RawMessage `json:"graph"`
}

// Definition returns a definition at its current version. ErrUnknownDefinition of package queue says that there is none.
func (c *Client) Definition(ctx context.Context, id uuid.UUID) (DefinitionGraph, error) {
	return catalog.Definition[DefinitionGraph](ctx, c.pool, id)
}

// DeleteDefinition deletes a definition with its versions, and returns what it was. From then on nothing can be enqueued of it, and its name
// is free: who applies it again makes another definition. What waits of it ends FAILED with reason definition-gone when its turn comes,
// and what has started goes on: to end these too, cancel them before, as [Client.Select] finds them. ErrUnknownDefinition says that there
// is none.
func (c *Client) DeleteDefinition(ctx context.Context, id uuid.UUID, actor string) (gone Definition, err error) {
	const doing = "delete definition"
	found, err := c.Definition(ctx, id)
	if err != nil {
		return gone, fmt.Errorf("%s: %w", doing, err)
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		gone, err = catalog.DeleteDefinition[Definition](ctx, tx, found.WorkspaceID, id, actor)
		return err
	})
	return gone, err
}

// bounded says which texts of a definition are too long or cannot be seen, and whether it is too large in the form in which it is
// stored and sent.
func bounded(graph definition.Definition, file []byte) error {
	var problems []error
	check := func(what, name string) {
		if err := bounds.Name(name); err != nil {
			problems = append(problems, fmt.Errorf("%s %w", what, err))
		}
	}
	check("name", graph.Name)
	for place, n := range graph.Nodes {
		if n.Name != "" {
			check(fmt.Sprintf("name of node %d", place+1), n.Name)
		}
	}
	if _, err := bounds.Object(bytes.TrimSpace(file), bounds.MaxDefinition); err != nil {
		problems = append(problems, fmt.Errorf("definition %w", err))
	}
	return errors.Join(problems...)
}
