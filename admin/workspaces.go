package admin

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Workspace is a customer's or team's share of the system.
type Workspace struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
	Plan string    `json:"plan"`
	// ExternalKey is what the platform calls it, if that is set: 1 to 200 characters that can be seen, no UUID. It names the workspace
	// wherever its id can.
	ExternalKey *string `json:"externalKey,omitempty"`
}

// NewWorkspace is a workspace that is to be created. Only its name is needed.
type NewWorkspace struct {
	Name        string    // 1 to 200 characters that can be seen; it need not be unique
	Plan        string    // defaults to FREE
	ID          uuid.UUID // of the platform's own; defaults to one that is made
	ExternalKey string    // see Workspace; defaults to none
}

// WorkspaceOption is what a workspace is given beside its name and its plan.
type WorkspaceOption func(*NewWorkspace)

// WithKey gives a workspace the key by which the platform knows it: see Workspace.
func WithKey(key string) WorkspaceOption { return func(w *NewWorkspace) { w.ExternalKey = key } }

// CreateWorkspace creates a workspace on a plan. Its name has 1 to 200 characters that can be seen, and need not be unique. ErrUnknownPlan says that there is no such tier.
func (c *Client) CreateWorkspace(ctx context.Context, name, plan, actor string, options ...WorkspaceOption) (Workspace, error) {
	return c.AddWorkspace(ctx, newWorkspace(name, plan, options), actor)
}

func newWorkspace(name, plan string, options []WorkspaceOption) NewWorkspace {
	w := NewWorkspace{Name: name, Plan: plan}
	for _, option := range options {
		option(&w)
	}
	return w
}

// AddWorkspace is CreateWorkspace with an id or a key of the platform's own. ErrInvalid says that another workspace has it.
func (c *Client) AddWorkspace(ctx context.Context, w NewWorkspace, actor string) (Workspace, error) {
	const doing = "create workspace"
	if err := checkKey(textOrNil(w.ExternalKey)); err != nil {
		return Workspace{}, fmt.Errorf("%s: %w", doing, err)
	}
	return c.createWorkspace(ctx, doing, w.Name, cmp.Or(w.Plan, "FREE"), actor, func(tx pgx.Tx, name, plan string) (Workspace, error) {
		created := catalog.NewWorkspace{Name: name, Plan: plan, Key: textOrNil(w.ExternalKey)}
		if w.ID != uuid.Nil {
			created.ID = &w.ID
		}
		return catalog.CreateWorkspace[Workspace](ctx, tx, created)
	})
}

// Workspace returns the workspace that the platform knows by a key, or else the one whose id that is. It creates none.
// ErrUnknownWorkspace says that there is neither.
func (c *Client) Workspace(ctx context.Context, key string) (Workspace, error) {
	return catalog.FindWorkspace[Workspace](ctx, c.pool, key)
}

func checkKey(key *string) error {
	if key == nil {
		return nil
	}
	if _, err := uuid.Parse(*key); err == nil && len(*key) == 36 {
		return store.Invalid("a workspace's key must not read as the id of a workspace: create the workspace with that id, or put something in front of it")
	}
	return named("the workspace's key", bounds.Name(*key))
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (c *Client) createWorkspace(ctx context.Context, doing, name, plan, actor string, do func(tx pgx.Tx, name, plan string) (Workspace, error)) (w Workspace, err error) {
	name, plan = strings.TrimSpace(name), strings.ToUpper(plan)
	if name == "" {
		return w, fmt.Errorf("%s: %w", doing, store.Invalid("a workspace needs a name"))
	}
	if err := bounds.Name(name); err != nil {
		return w, fmt.Errorf("%s: %w", doing, store.Invalid("the workspace's name %v", err))
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		w, err = do(tx, name, plan)
		return err
	})
	return w, c.unknownPlan(ctx, err, doing, plan)
}

// SetPlan moves a workspace to another plan, from the next claim on.
func (c *Client) SetPlan(ctx context.Context, id uuid.UUID, plan, actor string) (w Workspace, err error) {
	const doing = "set plan"
	plan = strings.ToUpper(plan)
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		w, err = catalog.SetPlan[Workspace](ctx, tx, id, plan)
		return err
	})
	return w, c.unknownPlan(ctx, err, doing, plan)
}

// unknownPlan answers an error that a plan is unknown with those there are. It reads them on a connection of its own: call it
// when the transaction has ended.
func (c *Client) unknownPlan(ctx context.Context, err error, doing, plan string) error {
	if !catalog.IsUnknownPlan(err) {
		return err
	}
	unknown := &store.RequestError{Kind: ErrUnknownPlan, Message: fmt.Sprintf("unknown plan %q", plan)}
	if tiers, err := c.Tiers(ctx); err == nil {
		var plans []string
		for _, t := range tiers {
			plans = append(plans, t.Plan)
		}
		unknown.Hint = "plans are " + strings.Join(plans, ", ")
	}
	return fmt.Errorf("%s: %w", doing, unknown)
}
