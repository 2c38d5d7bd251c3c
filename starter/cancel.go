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

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/queue"
)

const (
	cancelPatience = 8 * time.Second // an item is CLAIMED for milliseconds, unless its dispatcher has just died
	cancelPause    = 100 * time.Millisecond
)

// cancelled is what cancel prints.
type cancelled struct {
	QueueID uuid.UUID `json:"queueId"`
	Status  string    `json:"status"` // CANCELLED, or CANCEL_REQUESTED when the workflow has to see to it
	Message string    `json:"message"`
}

func (a *app) cancelCommand() *cobra.Command {
	var reason string
	command := &cobra.Command{
		Use: "cancel ID", Short: "Cancel an item, or the execution it has become", Args: exactly("ID"),
		Long: "Cancel an item. One that waits is CANCELLED at once, and only Postgres is needed; one that runs is asked to\n" +
			"cancel through Temporal and ends CANCELLED when its workflow has dealt with it. One that is over stays as it\n" +
			"is, and the exit code is 1.",
	}
	command.Flags().StringVar(&reason, "reason", "", "why, for the activity log")
	return a.does(command, func(ctx context.Context, args []string) error {
		id, err := itemID(args[0])
		if err != nil {
			return err
		}
		pool, err := a.database(ctx)
		if err != nil {
			return err
		}
		result, err := a.cancel(ctx, pool, id, reason)
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result.Message) })
	})
}

// cancel follows the item through its states until one of them lets it be cancelled.
func (a *app) cancel(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID, reason string) (cancelled, error) {
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
			a.logCancel(ctx, pool, item, reason)
			logged = true
		}
		switch err := operate.CancelExecution(ctx, c, item.ID); {
		case err == nil:
			return cancelled{QueueID: id, Status: "CANCEL_REQUESTED", Message: "its workflow has been asked to cancel"}, nil
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

// logCancel records the actor and the reason: the workflow will only say that it was cancelled.
func (a *app) logCancel(ctx context.Context, pool *pgxpool.Pool, item queue.State, reason string) {
	entry := admin.Activity{Actor: a.config.Actor, Action: "cancel-requested", WorkspaceID: &item.WorkspaceID, QueueID: &item.ID}
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
