package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/controls"
)

// Scope is what is paused: of a workspace, or of all, everything, a workflow type or a definition. The zero Scope is everything
// there is. A definition belongs to one workspace, so none need be named beside it.
type Scope struct {
	WorkspaceID  uuid.UUID
	WorkflowType string
	DefinitionID uuid.UUID
}

// Term is how long something holds, by the clock of the database: For so long, or Until a time. The zero Term has no end.
type Term struct {
	For   time.Duration
	Until time.Time
}

// maxTerm is longer than anything is held for a time.
const maxTerm = 10 * 366 * day

func (t Term) check() error {
	switch {
	case t.For != 0 && !t.Until.IsZero():
		return store.Invalid("it is for so long or until a time, not both")
	case t.For < 0 || t.For > maxTerm:
		return store.Invalid("for must be more than 0 and at most ten years, got %s", t.For)
	case time.Until(t.Until) > maxTerm:
		return store.Invalid("until must be at most ten years ahead, got %s", t.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// Pause is something of which nothing is claimed.
type Pause struct {
	WorkspaceID    *uuid.UUID `json:"workspaceId,omitempty"` // nil: all workspaces
	WorkspaceName  *string    `json:"workspaceName,omitempty"`
	WorkflowType   *string    `json:"workflowType,omitempty"`
	DefinitionID   *uuid.UUID `json:"definitionId,omitempty"`
	DefinitionName *string    `json:"definitionName,omitempty"`
	Actor          string     `json:"actor"`
	Reason         string     `json:"reason,omitempty"`
	Since          time.Time  `json:"since"`
	Until          *time.Time `json:"until,omitempty"` // nil: until it is resumed
}

// Pause has nothing claimed of what is in a scope, from the next claim on: no claim that was planned before it commits after it.
// What was claimed before starts, what runs goes on, limits stay what they are, and types and definitions that are paused hold up
// no others. It ends by itself at the end of its term. To pause what is paused gives that the new reason and term; where these are
// the same nothing changes, and it returns false. The reason has at most 1,000 characters and may be empty.
//
// The dispatchers' own pause, which their status shows, is another: it needs them to answer.
//
// ErrUnknownWorkspace, ErrUnknownDefinition and ErrForeignDefinition say that there is nothing of the scope.
func (c *Client) Pause(ctx context.Context, s Scope, t Term, actor, reason string) (changed bool, err error) {
	const doing = "pause"
	if err := named("reason", bounds.Reason(reason, bounds.MaxReason)); err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	if err := named("workflow type", bounds.Visible(s.WorkflowType, maxWorkflowType)); err != nil { // of no item is it one; what is paused by another can be resumed
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	if err := t.check(); err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	scope, err := c.scope(ctx, s)
	if err != nil {
		return false, store.Wrap(err, doing)
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		changed, err = controls.Pause(ctx, tx, scope, controls.Term(t), actor, strings.TrimSpace(reason))
		return err
	})
	return changed, err
}

// Resume ends the pause of a scope, and only that: what is paused of its parts, or with the whole of which it is a part, stays so. It
// returns false where nothing was paused so.
func (c *Client) Resume(ctx context.Context, s Scope, actor, reason string) (held bool, err error) {
	const doing = "resume"
	if err := named("reason", bounds.Reason(reason, bounds.MaxReason)); err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	scope, err := c.scope(ctx, s)
	if err != nil {
		return false, store.Wrap(err, doing)
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		held, err = controls.Resume(ctx, tx, scope, strings.TrimSpace(reason))
		return err
	})
	return held, err
}

// Pauses lists what is paused, the latest first. The dispatchers' own pause is not among it.
func (c *Client) Pauses(ctx context.Context) ([]Pause, error) {
	return controls.Pauses[Pause](ctx, c.pool)
}

// scope is the one that is stored: a definition stands for itself.
func (c *Client) scope(ctx context.Context, s Scope) (controls.Scope, error) {
	switch {
	case s.WorkflowType != "" && s.DefinitionID != uuid.Nil:
		return controls.Scope{}, store.Invalid("give a workflow type or a definition, not both")
	case len(s.WorkflowType) > maxWorkflowType || bounds.Text(s.WorkflowType, maxWorkflowType) != nil:
		return controls.Scope{}, store.Invalid("the workflow type must have at most %d bytes of UTF-8", maxWorkflowType)
	case s.DefinitionID == uuid.Nil:
		return controls.Scope(s), nil
	}
	owner, err := controls.DefinitionOwner(ctx, c.pool, s.DefinitionID)
	if err == nil && s.WorkspaceID != uuid.Nil && s.WorkspaceID != owner {
		err = &store.RequestError{Kind: ErrForeignDefinition, Message: fmt.Sprintf("workflow definition %s does not belong to workspace %s", s.DefinitionID, s.WorkspaceID),
			Hint: "leave the workspace out: a definition belongs to one"}
	}
	return controls.Scope{DefinitionID: s.DefinitionID}, err
}

const maxWorkflowType = 1000 // bytes
