package queue

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"
)

// Limits and defaults of an item.
const (
	MaxInputBytes     = 256 << 10 // of the compact JSON
	MaxUniqueKeyBytes = 512
	DefaultPriority   = 3
)

// Item is a request to run a definition once.
type Item struct {
	WorkspaceID  uuid.UUID
	DefinitionID uuid.UUID
	// Input is a JSON object of at most MaxInputBytes. Defaults to {}.
	Input json.RawMessage
	// Priority is 1 (first) to 5 (last) and orders the items of one workspace only. Defaults to DefaultPriority.
	Priority int
	// AvailableAt is the earliest start. Defaults to now, as does a time in the past.
	AvailableAt time.Time
	// ExpiresAt ends the item as EXPIRED if it has not been claimed by then. Defaults to never.
	ExpiresAt time.Time
	// UniqueKey makes a repeated enqueue in the same workspace answer with the first item. Defaults to none.
	UniqueKey string
	// EnqueuedBy is who asks, for the activity log. Defaults to the connection's application_name, else its user.
	EnqueuedBy string
	// TriggerType says what caused the execution. Defaults to FUNCTION.
	TriggerType string
}

// Answer is what an enqueue returns.
type Answer struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"` // always QUEUED
	Message string    `json:"message"`
}

const messageQueued = "Workflow execution queued. Will start when capacity is available."

// prepared checks what can be checked without the database and fills in the defaults.
func (i Item) prepared() (Item, error) {
	i.Input = bytes.TrimSpace(i.Input)
	if len(i.Input) == 0 {
		i.Input = json.RawMessage("{}")
	}
	// Postgres stores no blanks between tokens. Only what may be too long with them is worth a copy without.
	if len(i.Input) > MaxInputBytes || !json.Valid(i.Input) {
		var compact bytes.Buffer
		if err := json.Compact(&compact, i.Input); err != nil {
			return i, invalid("input is not valid JSON: %v", err)
		}
		i.Input = compact.Bytes()
	}
	if i.Input[0] != '{' {
		return i, invalid(`input must be a JSON object such as {"key": "value"}`)
	}
	if len(i.Input) > MaxInputBytes {
		return i, invalid("input has %d bytes, at most %d (256 KiB) are allowed; store large data elsewhere and pass a reference", len(i.Input), MaxInputBytes)
	}
	if containsNUL(i.Input) {
		return i, invalid("input contains \\u0000, which the database cannot store")
	}
	if i.Priority == 0 {
		i.Priority = DefaultPriority
	}
	if i.Priority < 1 || i.Priority > 5 {
		return i, invalid("priority must be 1 (first) to 5 (last), not %d", i.Priority)
	}
	if len(i.UniqueKey) > MaxUniqueKeyBytes {
		return i, invalid("unique key must have at most %d bytes, not %d", MaxUniqueKeyBytes, len(i.UniqueKey))
	}
	if i.TriggerType == "" {
		i.TriggerType = "FUNCTION"
	}
	return i, nil
}

// containsNUL looks for \u0000 in valid JSON; an escaped backslash before u0000 is something else.
func containsNUL(valid []byte) bool {
	for n := 0; n < len(valid); n++ {
		if valid[n] == '\\' {
			if bytes.HasPrefix(valid[n:], []byte(`\u0000`)) {
				return true
			}
			n++
		}
	}
	return false
}

func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func nullString(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
