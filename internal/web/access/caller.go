package access

import (
	"net/http"

	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/store/tokens"
)

// Caller is who asks.
type Caller struct {
	Actor     string // for the activity log
	Operator  bool   // sees every workspace
	Writes    bool   // changes what it sees
	Workspace uuid.UUID
	Payloads  bool // sees inputs and results
	// Token tells callers apart where they share what there is; nil for those without.
	Token uuid.UUID
}

// actorPrefix is before the name of a token in the activity log.
const actorPrefix = "api:"

// anybody is who reaches a listener on loopback while there are no tokens.
func anybody() Caller { return Caller{Actor: "api", Operator: true, Writes: true, Payloads: true} }

// holder is who shows a token.
func holder(t *tokens.Found) Caller {
	c := Caller{Actor: actorPrefix + t.Name, Payloads: t.SeesPayloads, Token: t.ID}
	switch {
	case t.Role == admin.RoleOperatorRead:
		c.Operator = true
	case t.Role == admin.RoleOperatorWrite:
		c.Operator, c.Writes = true, true
	case t.Role == admin.RoleWorkspace && t.WorkspaceID != nil:
		c.Workspace, c.Writes = *t.WorkspaceID, true
	}
	return c
}

// Sees tells whether what belongs to a workspace is the caller's to see.
func (c Caller) Sees(workspace uuid.UUID) bool {
	return c.Operator || workspace != uuid.Nil && c.Workspace == workspace
}

// Refusal is why a request is not answered.
type Refusal struct {
	Status  int
	Code    string // one word
	Message string
}

func (r *Refusal) Error() string { return r.Message }

func refuse(status int, code, message string) error {
	return &Refusal{Status: status, Code: code, Message: message}
}

var (
	errNoCredentials  = refuse(http.StatusUnauthorized, "no-token", "give a token: Authorization: Bearer sluice_…; make one with: starter token create")
	errBadToken       = refuse(http.StatusUnauthorized, "unknown-token", "the token is unknown, or was revoked, or has expired; make one with: starter token create")
	errTooManyStrange = refuse(http.StatusTooManyRequests, "too-many", "too many tokens that were not seen of late are being looked for; try again")
	errNoTokens       = refuse(http.StatusForbidden, "no-tokens", "there are no tokens, and without any the API answers on loopback only: make one with starter token create, or let --http-address be 127.0.0.1")
	errForwarded      = refuse(http.StatusForbidden, "no-tokens", "a proxy has forwarded the request: behind a proxy a token is needed, and there are none; make one with: starter token create")
)
