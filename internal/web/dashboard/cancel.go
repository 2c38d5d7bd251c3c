package dashboard

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/web/dashboard/page"
)

func (d *dashboard) cancel(ctx context.Context, r *http.Request) (string, error) {
	return d.endItem(ctx, r, false)
}

func (d *dashboard) terminate(ctx context.Context, r *http.Request) (string, error) {
	return d.endItem(ctx, r, true)
}

func (d *dashboard) endItem(ctx context.Context, r *http.Request, force bool) (string, error) {
	id, err := itemID(r)
	if err != nil {
		return "", err
	}
	why, err := reason(r, "reason")
	if err != nil {
		return "", err
	}
	result, err := operate.CancelItem(ctx, d.Pool, d.dial, id, operate.Cancellation{Actor: actor(r), Reason: why, Force: force, Note: func(message string) {
		d.Logger.Warn("an item was cancelled, and something beside it did not work", "item", id, "error", message)
	}})
	return page.Sentence(result.Message), err
}

func (d *dashboard) dial(context.Context) (client.Client, error) { return d.Temporal, nil }

// retryItem puts one item that failed to start back into the queue.
func (d *dashboard) retryItem(ctx context.Context, r *http.Request) (string, error) {
	id, err := itemID(r)
	if err != nil {
		return "", err
	}
	if _, err := d.admin.Retry(ctx, admin.RetryFilter{IDs: []uuid.UUID{id}}, actor(r)); err != nil {
		return "", err
	}
	return "The item is back in the queue.", nil
}

// replayItem enqueues an execution that did not complete anew.
func (d *dashboard) replayItem(ctx context.Context, r *http.Request) (string, error) {
	id, err := itemID(r)
	if err != nil {
		return "", err
	}
	why, err := reason(r, "reason")
	if err != nil {
		return "", err
	}
	selected, err := d.admin.Select(ctx, admin.Replay, admin.Filter{IDs: []uuid.UUID{id}})
	if err != nil {
		return "", err
	}
	n, err := d.admin.ReplaySelected(ctx, selected, actor(r), why, nil)
	switch {
	case err != nil:
		return "", err
	case n == 0:
		return "", store.Invalid("it is not replayed: it has been already, or did not end as one that can be")
	}
	return "A new item with the same request is in the queue.", nil
}
