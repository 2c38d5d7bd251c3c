package admin

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/tokens"
)

// What the holder of a token may do.
const (
	RoleOperatorRead  = "operator-read"  // see everything, change nothing
	RoleOperatorWrite = "operator-write" // all that the HTTP API has
	RoleWorkspace     = "workspace"      // enqueue, see and cancel in one workspace, and apply its definitions
)

// maxTokenName leaves room for what the API sets before it: it is the actor of what is done with the token.
const maxTokenName = 100

// NewToken is a token that is to be created.
type NewToken struct {
	Name        string    // 1 to 100 characters that can be seen; the activity log names it
	Role        string    // RoleOperatorRead, RoleOperatorWrite or RoleWorkspace
	WorkspaceID uuid.UUID // of RoleWorkspace
	Payloads    bool      // answers have inputs and results
	ExpiresAt   time.Time // defaults to never
}

// Token is one of the HTTP API, without what its holder knows.
type Token struct {
	ID           uuid.UUID  `json:"id"`
	Name         string     `json:"name"`
	Role         string     `json:"role"`
	WorkspaceID  *uuid.UUID `json:"workspaceId,omitempty"` // nil with RoleWorkspace: it was deleted, and the token is good for nothing
	SeesPayloads bool       `json:"seesPayloads"`
	CreatedAt    time.Time  `json:"createdAt"`
	CreatedBy    string     `json:"createdBy"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
	RevokedAt    *time.Time `json:"revokedAt,omitempty"`
	RevokedBy    *string    `json:"revokedBy,omitempty"`
	LastUsedAt   *time.Time `json:"lastUsedAt,omitempty"` // to some minutes
}

// CreateToken creates a token of the HTTP API. The secret is what its holder sends; it is returned this once, and only its hash is stored.
// As soon as there is a token, and for ever after, the API answers nobody without one. ErrUnknownWorkspace says that there is no such workspace.
func (c *Client) CreateToken(ctx context.Context, n NewToken, actor string) (created Token, secret string, err error) {
	const doing = "create token"
	if err := n.check(); err != nil {
		return created, "", fmt.Errorf("%s: %w", doing, err)
	}
	to := tokens.New{Name: n.Name, Role: n.Role, Payloads: n.Payloads}
	if n.Role == RoleWorkspace {
		to.WorkspaceID = &n.WorkspaceID
	}
	if !n.ExpiresAt.IsZero() {
		to.ExpiresAt = &n.ExpiresAt
	}
	secret = tokens.Generate()
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		created, err = tokens.Create[Token](ctx, tx, to, tokens.HashOf(secret), actor)
		return err
	})
	if err != nil {
		return created, "", err
	}
	return created, secret, nil
}

func (n NewToken) check() error {
	switch {
	case bounds.Name(n.Name) != nil:
		return named("the token's name", bounds.Name(n.Name))
	case utf8.RuneCountInString(n.Name) > maxTokenName:
		return store.Invalid("the token's name must have at most %d characters", maxTokenName)
	case !slices.Contains([]string{RoleOperatorRead, RoleOperatorWrite, RoleWorkspace}, n.Role):
		return store.Invalid("role must be %s, %s or %s, not %q", RoleOperatorRead, RoleOperatorWrite, RoleWorkspace, n.Role)
	case (n.Role == RoleWorkspace) != (n.WorkspaceID != uuid.Nil):
		return store.Invalid("a workspace goes with role %s, and only with it", RoleWorkspace)
	case !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(time.Now()):
		return store.Invalid("the token's expiry %s has passed", n.ExpiresAt.UTC().Format(time.RFC3339))
	case n.ExpiresAt.Year() > 9999:
		return store.Invalid("the token's expiry is after the year 9999: leave it out")
	}
	return nil
}

// Tokens lists all tokens there ever were, newest first.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) { return tokens.List[Token](ctx, c.pool) }

// RevokeToken revokes a token. Workers stop taking it within some seconds. To revoke it again changes nothing.
func (c *Client) RevokeToken(ctx context.Context, id uuid.UUID, actor string) (revoked Token, err error) {
	err = c.change(ctx, "revoke token", actor, func(tx pgx.Tx) error {
		known := false
		if revoked, known, err = tokens.Revoke[Token](ctx, tx, id, actor); err == nil && !known {
			return &store.RequestError{Kind: ErrInvalid, Message: "unknown token " + id.String(), Hint: "list them with: starter token list"}
		}
		return err
	})
	return revoked, err
}
