package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

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
		q, err := a.queue(ctx)
		if err != nil {
			return err
		}
		result, err := a.cancel(ctx, q, id, reason)
		if err != nil {
			return err
		}
		return a.result(result, func(w io.Writer) { _, _ = fmt.Fprintf(w, "%s: %s\n", id, result.Message) })
	})
}

// cancel follows the item through its states until one of them lets it be cancelled.
func (a *app) cancel(ctx context.Context, q *queue.Queue, id uuid.UUID, reason string) (cancelled, error) {
	patience, stop := context.WithTimeout(ctx, cancelPatience)
	defer stop()
	logged := false
	for {
		item, err := q.Item(ctx, id)
		if err != nil {
			return cancelled{}, err
		}
		if isOver(item) {
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
		if !logged { // before the request, or the story would end with what began it
			a.logCancel(ctx, q, item, reason)
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

// logCancel records who wanted the cancellation: the workflow will only say that it was cancelled.
func (a *app) logCancel(ctx context.Context, q *queue.Queue, item queue.ItemView, reason string) {
	entry := queue.Activity{Actor: a.config.Actor, Action: "cancel-requested", WorkspaceID: &item.WorkspaceID, QueueID: &item.ID}
	if reason != "" {
		entry.Reason = &reason
	}
	if err := q.Log(ctx, entry); err != nil {
		a.note("note: this cancellation is not in the activity log: " + err.Error())
	}
}

func isOver(item queue.ItemView) bool {
	switch item.Status {
	case "FAILED", "CANCELLED", "EXPIRED":
		return true
	}
	return item.CompletedAt != nil
}

// finalStatus is the execution's status once there is one, else the item's.
func finalStatus(item queue.ItemView) string {
	if item.ExecutionStatus != nil {
		return *item.ExecutionStatus
	}
	return item.Status
}
