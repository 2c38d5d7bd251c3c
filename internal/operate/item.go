package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/workflows"
)

const (
	cancelPatience = 8 * time.Second // an item is CLAIMED for milliseconds, unless its dispatcher has just died
	cancelPause    = 100 * time.Millisecond
)

// ErrEnded says that an item has ended already.
var ErrEnded = errors.New("it has already ended")

// Cancelled is what becomes of an item that somebody has cancelled.
type Cancelled struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"` // CANCELLED, CANCEL_REQUESTED when the workflow has to see to it, or by force TERMINATED
	Message string    `json:"message"`
	// AskedAt is when the workflow was first asked, TerminatedAt when that of a definition is terminated unless it has ended, Awaits what
	// it waits for.
	AskedAt      *time.Time `json:"askedAt,omitempty"`
	TerminatedAt *time.Time `json:"terminatedAt,omitempty"`
	Awaits       []string   `json:"awaits,omitempty"`
}

// Cancellation is who cancels an item, and how.
type Cancellation struct {
	Actor, Reason string
	Force         bool // terminate the workflow and its children at once
	// Note is told what did not work beside the cancellation itself; nil for nobody.
	Note func(message string)
}

// CancelItem cancels an item, or the execution that it has become: it follows the item through its states until one of them lets it
// be cancelled. Dial connects to Temporal, and is called only for an item that does not wait any more. Errors: queue.ErrUnknownItem,
// ErrEnded, ErrNotOpen when its start or its outcome is still on its way.
func CancelItem(ctx context.Context, pool *pgxpool.Pool, dial func(context.Context) (client.Client, error), id uuid.UUID, by Cancellation) (Cancelled, error) {
	patience, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	q, logged := queue.New(pool), false
	for {
		item, err := q.Get(ctx, id)
		if err != nil {
			return Cancelled{}, err
		}
		if item.Done() {
			return Cancelled{}, &itemError{ErrEnded, fmt.Sprintf("item %s has already ended: it is %s", id, strings.ToLower(finalStatus(item)))}
		}
		if item.Status == "PENDING" {
			status, err := q.Cancel(ctx, id, by.Actor, by.Reason)
			if err != nil {
				return Cancelled{}, err
			}
			if status == "CANCELLED" {
				return Cancelled{QueueID: id, Status: status, Message: "cancelled before it started"}, nil
			}
			continue // claimed in between
		}
		c, err := dial(ctx)
		if err != nil {
			return Cancelled{}, err
		}
		if !logged { // before the request, or its end would be logged before its cause
			by.log(ctx, pool, item)
			logged = true
		}
		k := KnownAs(item)
		if by.Force {
			err = Terminate(ctx, c, k, termination(by.Actor, by.Reason))
		} else {
			err = Cancel(ctx, c, k)
		}
		switch {
		case err == nil && by.Force:
			return Cancelled{QueueID: id, Status: "TERMINATED", Message: "its workflow has been terminated; recovery frees its slot within seconds"}, nil
		case err == nil:
			return by.asked(ctx, pool, c, k), nil
		case !errors.Is(err, ErrNotOpen):
			return Cancelled{}, err
		}
		// Its start, or its outcome, is on its way.
		if pause(patience, cancelPause) != nil {
			return Cancelled{}, &itemError{ErrNotOpen, fmt.Sprintf("item %s is %s, but its workflow is not open: its start or its outcome is still on its way; try again", id, finalStatus(item))}
		}
	}
}

// itemError is why an item cannot be cancelled, in its own words.
type itemError struct {
	kind    error
	message string
}

func (e *itemError) Error() string { return e.message }
func (e *itemError) Unwrap() error { return e.kind }

// asked says what follows now that the workflow has been asked to cancel.
func (by Cancellation) asked(ctx context.Context, pool *pgxpool.Pool, c client.Client, k store.Known) Cancelled {
	result := Cancelled{QueueID: k.ItemID, Status: "CANCEL_REQUESTED", Message: "its workflow has been asked to cancel"}
	since, err := store.AskToCancel(ctx, pool, k.ItemID)
	switch {
	case errors.Is(err, store.ErrUnknownItem):
		return result // it has ended already
	case err != nil:
		by.note("it is not terminated if it does not end: " + err.Error())
		return result
	}
	result.AskedAt = &since
	if result.Awaits, err = Awaited(ctx, c, k); err != nil {
		by.note("what it waits for is not known: " + err.Error())
	}
	if ago := time.Since(since); ago > 2*time.Second {
		result.Message = "its workflow was asked to cancel " + ago.Truncate(time.Second).String() + " ago, and has been asked again"
	}
	if k.Own {
		result.Message += fmt.Sprintf("; it is terminated only if no worker carries it on for %.0f s", workflows.CancelDeadline.Seconds())
	} else {
		end := since.Add(workflows.CancelDeadline)
		result.TerminatedAt = &end
		result.Message += "; it is terminated if it has not ended at " + end.UTC().Format(time.RFC3339)
	}
	if len(result.Awaits) > 0 {
		result.Message += "; it waits for " + strings.Join(result.Awaits, ", ")
	}
	return result
}

// KnownAs is how the item's workflow is known.
func KnownAs(item queue.State) store.Known {
	k := store.Known{ItemID: item.ID, WorkflowID: item.WorkflowID, Own: item.WorkflowType != nil}
	if item.EngineRunID != nil {
		k.RunID = *item.EngineRunID
	}
	return k
}

// termination is what the history of a terminated workflow says.
func termination(actor, reason string) string {
	if reason == "" {
		return "terminated by " + actor
	}
	return "terminated by " + actor + ": " + reason
}

// log records the actor and the reason: the workflow will only say that it was cancelled.
func (by Cancellation) log(ctx context.Context, pool *pgxpool.Pool, item queue.State) {
	action := "cancel-requested"
	if by.Force {
		action = "terminate-requested"
	}
	entry := admin.Activity{Actor: by.Actor, Action: action, WorkspaceID: &item.WorkspaceID, QueueID: &item.ID}
	if by.Reason != "" {
		entry.Reason = &by.Reason
	}
	if err := admin.New(pool).Log(ctx, entry); err != nil {
		by.note("this cancellation is not in the activity log: " + err.Error())
	}
}

func (by Cancellation) note(message string) {
	if by.Note != nil {
		by.Note(message)
	}
}

// finalStatus is the execution's status once there is one, else the item's.
func finalStatus(item queue.State) string {
	if item.ExecutionStatus != nil {
		return *item.ExecutionStatus
	}
	return item.Status
}
