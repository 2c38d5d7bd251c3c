package queue

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"sluice/internal/bounds"
	"sluice/internal/store"
)

// Limits and defaults of an item.
const (
	MaxInputBytes     = bounds.MaxInput // as Postgres prints it: a number like 1e9 has ten digits there
	MaxUniqueKeyBytes = bounds.MaxKey
	DefaultPriority   = 3
)

// UntilEnded, as the UniqueFor of an Item, holds its key only while it is pending or running.
const UntilEnded time.Duration = -1

// Item is a request to run a workflow or a definition once.
type Item struct {
	WorkspaceID uuid.UUID
	// Workflow is what is started; see EnqueueWorkflow. An item without one names a definition.
	Workflow     *Workflow
	DefinitionID uuid.UUID
	// Input is that of the definition: a JSON object of at most MaxInputBytes, nested at most 500 levels deep. Defaults to {}.
	Input json.RawMessage
	// Priority is 1 (first) to 5 (last) and orders the items of one workspace only. Defaults to DefaultPriority.
	Priority int
	// AvailableAt is the earliest start. Defaults to now, as does a time in the past.
	AvailableAt time.Time
	// ExpiresAt ends the item as EXPIRED if it has not been claimed by then. Defaults to never.
	ExpiresAt time.Time
	// UniqueKey makes a repeated enqueue in the same workspace answer with the first item instead of adding another.
	// It has at most MaxUniqueKeyBytes. Defaults to none.
	UniqueKey string
	// UniqueFor says how long after its end, however it ended, the item goes on holding its UniqueKey; while it is pending
	// or running it always does. The zero value holds the key as long as the item is retained (see the setting "retention"),
	// 24 * time.Hour for a day after the end, and UntilEnded not beyond it. What the first item said counts,
	// not what a repeated enqueue says. Without a UniqueKey it is refused.
	UniqueFor time.Duration
	// EnqueuedBy is named as the origin in the activity log: at most 200 characters that can be seen. Defaults to the connection's
	// application_name, else its user.
	EnqueuedBy string
	// TriggerType says what caused the execution, in at most 200 characters that can be seen. Defaults to FUNCTION.
	TriggerType string
}

// Answer is what an enqueue returns.
type Answer struct {
	QueueID uuid.UUID `json:"queueId"`
	// Status is QUEUED for a new item. For a repeated unique key it is what has become of the first item: QUEUED, CLAIMED,
	// RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT or EXPIRED.
	Status  string `json:"status"`
	Message string `json:"message"`
	// WorkflowID is the id in Temporal of an item that is a workflow.
	WorkflowID string `json:"workflowId,omitempty"`
}

// New tells whether the enqueue has added an item. One under a unique key may have found the first.
func (a Answer) New() bool { return a.Message == messageQueued }

const messageQueued = "Workflow execution queued. Will start when capacity is available."

func queued(id uuid.UUID) Answer {
	return Answer{QueueID: id, Status: "QUEUED", Message: messageQueued}
}

// Validate tells what of an item would be refused whatever is in the database, and whichever its workspace is: ErrInvalid.
func (i *Item) Validate() error {
	_, err := i.arrival()
	return err
}

// arrival checks what can be checked without the database and fills in the defaults.
func (i *Item) arrival() (a store.Arrival, err error) {
	a = store.Arrival{
		Ownership: store.Ownership{WorkspaceID: i.WorkspaceID, DefinitionID: i.DefinitionID},
		Priority:  i.Priority, EnqueuedBy: i.EnqueuedBy, TriggerType: i.TriggerType,
		AvailableAt: i.AvailableAt, ExpiresAt: i.ExpiresAt, UniqueKey: i.UniqueKey,
	}
	if i.Workflow != nil {
		err = i.Workflow.arrive(i, &a)
	} else {
		a.Input, a.Large, err = preparedInput(i.Input)
	}
	if err != nil {
		return a, err
	}
	if a.Priority == 0 {
		a.Priority = DefaultPriority
	}
	if a.Priority < 1 || a.Priority > 5 {
		return a, store.Invalid("priority must be 1 (first) to 5 (last), not %d", a.Priority)
	}
	if a.UniqueKey != "" {
		if err := bounds.Key(a.UniqueKey); err != nil {
			return a, store.Invalid("unique key %v", err)
		}
	}
	if err := bounds.Words(a.EnqueuedBy); err != nil {
		return a, store.Invalid("EnqueuedBy %v", err)
	}
	if err := bounds.Words(a.TriggerType); err != nil {
		return a, store.Invalid("TriggerType %v", err)
	}
	switch {
	case i.UniqueFor == UntilEnded:
		a.UniqueFor = new(time.Duration)
	case i.UniqueFor < 0:
		return a, store.Invalid("UniqueFor must not be negative (%v), unless it is queue.UntilEnded", i.UniqueFor)
	case i.UniqueFor > 0:
		a.UniqueFor = &i.UniqueFor
	}
	if a.UniqueFor != nil && i.UniqueKey == "" {
		return a, store.Invalid("UniqueFor needs a UniqueKey")
	}
	if a.TriggerType == "" {
		a.TriggerType = "FUNCTION"
	}
	return a, nil
}

// preparedInput returns the input without blanks around it, and without any where they are many, and whether it is large. Postgres
// stores no blanks between tokens, so a small input is not worth a copy without them.
func preparedInput(input json.RawMessage) (prepared json.RawMessage, large bool, err error) {
	input = bytes.TrimSpace(input)
	if len(input) == 0 {
		return json.RawMessage("{}"), false, nil
	}
	size, err := bounds.Object(input, MaxInputBytes)
	if err != nil {
		return nil, false, store.Invalid("input %v", err)
	}
	if len(input) > store.LargeInput {
		var compact bytes.Buffer
		if err := json.Compact(&compact, input); err != nil {
			return nil, false, store.Invalid("input is not valid JSON: %v", err)
		}
		input = compact.Bytes()
	}
	return input, size > store.LargeInput, nil
}
