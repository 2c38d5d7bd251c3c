package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// EnsureWorkspace returns the workspace of a name, on whatever plan it is, and creates it on the given plan if there is none.
// It is for programs that set themselves up: however many call it at once, there is one workspace. ErrInvalid says that
// there are several of the name.
//
// WithKey has it return the workspace of that key, whatever its name. If there is none, the one of the name that has no key yet gets
// it; one that has another key is another workspace.
func (c *Client) EnsureWorkspace(ctx context.Context, name, plan, actor string, options ...WorkspaceOption) (Workspace, error) {
	const doing = "ensure workspace"
	key := textOrNil(newWorkspace(name, plan, options).ExternalKey)
	if err := checkKey(key); err != nil {
		return Workspace{}, fmt.Errorf("%s: %w", doing, err)
	}
	for tries := 1; ; tries++ {
		w, err := c.createWorkspace(ctx, doing, name, plan, actor, func(tx pgx.Tx, name, plan string) (Workspace, error) {
			return ensure(ctx, tx, name, plan, key)
		})
		// Taken: the first item of a workspace, or another name, has had the key made just now. The next look finds it.
		if tries == 3 || !errors.Is(err, catalog.ErrKeyTaken) {
			return w, err
		}
	}
}

func ensure(ctx context.Context, tx pgx.Tx, name, plan string, key *string) (Workspace, error) {
	found, err := catalog.WorkspacesNamed[Workspace](ctx, tx, name, key)
	if err != nil {
		return Workspace{}, err
	}
	if key != nil {
		var keyless []Workspace
		for _, w := range found {
			switch {
			case w.ExternalKey == nil:
				keyless = append(keyless, w)
			case *w.ExternalKey == *key:
				return w, nil
			}
		}
		found = keyless
	}
	switch {
	case len(found) == 0:
		return catalog.CreateWorkspace[Workspace](ctx, tx, catalog.NewWorkspace{Name: name, Plan: plan, Key: key})
	case len(found) > 1:
		return Workspace{}, store.Invalid("there are %d workspaces named %q, %s and %s among them: use the id of the one that is meant", len(found), name, found[0].ID, found[1].ID)
	case key != nil:
		return catalog.GiveKey[Workspace](ctx, tx, found[0].ID, *key)
	}
	return found[0], nil
}
