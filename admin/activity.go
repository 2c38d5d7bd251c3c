package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Activity is an entry of the activity log: who did what.
type Activity struct {
	Actor       string          `json:"actor"`
	Action      string          `json:"action"`
	WorkspaceID *uuid.UUID      `json:"workspaceId,omitempty"`
	QueueID     *uuid.UUID      `json:"queueId,omitempty"`
	Reason      *string         `json:"reason,omitempty"`
	Details     json.RawMessage `json:"details,omitempty"` // a JSON object
}

// Log records what leaves no other fact, such as an operator's action. Actor and action have at most 200 characters that can be
// seen, the reason at most 1,000, the details at most 256 KiB. It shows in sluice.activity.
func (c *Client) Log(ctx context.Context, a Activity) error {
	for _, err := range []error{named("actor", bounds.Words(a.Actor)), named("action", bounds.Name(a.Action)), a.checkReason(), a.checkDetails()} {
		if err != nil {
			return fmt.Errorf("log activity: %w", err)
		}
	}
	return catalog.Log(ctx, c.pool, catalog.Activity(a))
}

func (a Activity) checkReason() error {
	if a.Reason == nil {
		return nil
	}
	return named("reason", bounds.Reason(*a.Reason, bounds.MaxReason))
}

func (a Activity) checkDetails() error {
	if len(a.Details) == 0 {
		return nil
	}
	_, err := bounds.Object(bytes.TrimSpace(a.Details), bounds.MaxInput)
	return named("details", err)
}

// named makes a request's error of what is wrong with one of its values.
func named(what string, err error) error {
	if err == nil {
		return nil
	}
	return store.Invalid("%s %v", what, err)
}
