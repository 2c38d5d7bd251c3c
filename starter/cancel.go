package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/workflows"
)

const (
	cancelPatience = 8 * time.Second // an item is CLAIMED for milliseconds, unless its dispatcher has just died
	cancelPause    = 100 * time.Millisecond
)

// cancelled is what cancel prints.
type cancelled struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"` // CANCELLED, CANCEL_REQUESTED when the workflow has to see to it, or with --force TERMINATED
	Message string    `json:"message"`
	// AskedAt is when the workflow was first asked, TerminatedAt when it is terminated unless it has ended, Awaits what it waits
	// for.
	AskedAt      *time.Time `json:"askedAt,omitempty"`
	TerminatedAt *time.Time `json:"terminatedAt,omitempty"`
	Awaits       []string   `json:"awaits,omitempty"`
}

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	var force bool
	command := &cobra.Command{
		Use: "cancel ID", Short: "Cancel an item, or the execution it has become", Args: exactly("ID"),
		Long: "Cancel an item. One that waits is CANCELLED at once, and only Postgres is needed; one that runs is asked to\n" +
			"cancel through Temporal and ends CANCELLED when its workflow has dealt with it. Its child workflows have " + seconds(workflows.CancelPatience) + "\n" +
			"for that; then they are terminated. An execution that is still open " + seconds(workflows.CancelDeadline) + " after the first request, because no\n" +
			"worker carries it on, is terminated too, and ends TERMINATED. --force does that at once. One that is over\n" +
			"stays as it is, and the exit code is 1.",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	command.Flags().BoolVar(&force, "force", false, "terminate the workflow and its children at once, without giving them a chance to clean up")
	return a.does(command, func(ctx context.Context, args []string) error {
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		result, err := a.cancel(ctx, pool, id, reason, force)
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result.Message) })
	})
}

// cancel follows the item through its states until one of them lets it be cancelled.
func (a *app) cancel(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID, reason string, force bool) (cancelled, error) {
	patience, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	q, logged := queue.New(pool), false
	for {
		item, err := q.Get(ctx, id)
		if err != nil {
			return cancelled{}, err
		}
		if item.Done() {
			return cancelled{}, fmt.Errorf("item %s has already ended: it is %s", id, strings.ToLower(finalStatus(item)))
		}
		if item.Status == "PENDING" {
			status, err := q.Cancel(ctx, id, a.config.Actor, reason)
			if err != nil {
				return cancelled{}, err
			}
			if status == "CANCELLED" {
				return cancelled{QueueID: id, Status: status, Message: "cancelled before it started"}, nil
			}
			continue // claimed in between
		}
		c, err := a.client(ctx)
		if err != nil {
			return cancelled{}, err
		}
		if !logged { // before the request, or its end would be logged before its cause
			a.logCancel(ctx, pool, item, reason, force)
			logged = true
		}
		k := knownAs(item)
		if force {
			err = operate.Terminate(ctx, c, k, terminationReason(a.config.Actor, reason))
		} else {
			err = operate.Cancel(ctx, c, k)
		}
		switch {
		case err == nil && force:
			return cancelled{QueueID: id, Status: "TERMINATED", Message: "its workflow has been terminated; recovery frees its slot within seconds"}, nil
		case err == nil:
			return a.asked(ctx, pool, c, k), nil
		case !errors.Is(err, operate.ErrNotOpen):
			return cancelled{}, err
		}
		// Its start, or its outcome, is on its way.
		select {
		case <-patience.Done():
			return cancelled{}, fmt.Errorf("item %s is %s, but its workflow is not open: its start or its outcome is still on its way; try again", id, finalStatus(item))
		case <-time.After(cancelPause):
		}
	}
}

// asked says what follows now that the workflow has been asked to cancel.
func (a *app) asked(ctx context.Context, pool *pgxpool.Pool, c client.Client, k store.Known) cancelled {
	result := cancelled{QueueID: k.ItemID, Status: "CANCEL_REQUESTED", Message: "its workflow has been asked to cancel"}
	since, err := store.AskToCancel(ctx, pool, k.ItemID)
	switch {
	case errors.Is(err, store.ErrUnknownItem):
		return result // it has ended already
	case err != nil:
		a.note("note: it is not terminated if it does not end: " + err.Error())
		return result
	}
	end := since.Add(workflows.CancelDeadline)
	result.AskedAt, result.TerminatedAt = &since, &end
	if result.Awaits, err = operate.Awaited(ctx, c, k); err != nil {
		a.note("note: what it waits for is not known: " + err.Error())
	}
	if now := a.now(); now.Sub(since) > 2*time.Second {
		result.Message = "its workflow was asked to cancel " + relative(&since, now) + ", and has been asked again"
	}
	result.Message += "; it is terminated if it has not ended at " + stamp(&end)
	if len(result.Awaits) > 0 {
		result.Message += "; it waits for " + strings.Join(result.Awaits, ", ")
	}
	return result
}

// knownAs is how the item's workflow is known.
func knownAs(item queue.State) store.Known {
	return store.Known{ItemID: item.ID, WorkflowID: item.WorkflowID, RunID: deref(item.EngineRunID), Own: item.WorkflowType != nil}
}

func terminationReason(actor, reason string) string {
	text := "cancelled with --force by " + actor
	if reason != "" {
		text += ": " + reason
	}
	return text
}

func seconds(d time.Duration) string { return fmt.Sprintf("%g s", d.Seconds()) }

// logCancel records the actor and the reason: the workflow will only say that it was cancelled.
func (a *app) logCancel(ctx context.Context, pool *pgxpool.Pool, item queue.State, reason string, force bool) {
	action := "cancel-requested"
	if force {
		action = "terminate-requested"
	}
	entry := admin.Activity{Actor: a.config.Actor, Action: action, WorkspaceID: &item.WorkspaceID, QueueID: &item.ID}
	if reason != "" {
		entry.Reason = &reason
	}
	if err := admin.New(pool).Log(ctx, entry); err != nil {
		a.note("note: this cancellation is not in the activity log: " + err.Error())
	}
}

// finalStatus is the execution's status once there is one, else the item's.
func finalStatus(item queue.State) string {
	if item.ExecutionStatus != nil {
		return *item.ExecutionStatus
	}
	return item.Status
}
