package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// RetryFilter says which FAILED items to try again: either the ones it names, or those that it does not exclude. Zero
// fields do not narrow.
type RetryFilter struct {
	// IDs names items, all of which are retried or none. Nil names none; empty and not nil retries nothing. It excludes
	// the other fields but for Why.
	IDs         []uuid.UUID
	WorkspaceID uuid.UUID
	Reason      string // why they failed, such as definition-gone
	Limit       int    // at most so many, oldest first; 0: no limit
	Why         string // they are retried, for the activity log
}

// errFewer has a transaction rolled back in which not all items were retried.
var errFewer = errors.New("fewer items than were named")

// Retry puts FAILED items back to PENDING, ready at once and with no attempts counted, and returns how many. Their
// expiry and unique key stay. An item whose expiry has passed is left alone, because it would only expire: CountExpired
// tells how many those are. So is one whose unique key a later item has got, because it would be done twice. Items that were
// CANCELLED or have EXPIRED ended as they should and are never retried.
//
// Errors, all of which leave every item as it is: ErrUnknownItem for an id that is no item, ErrNotRetryable for one
// that is named and cannot be retried, ErrInvalid for a filter that contradicts itself.
func (c *Client) Retry(ctx context.Context, f RetryFilter, actor string) (n int64, err error) {
	const doing = "retry items"
	failed, err := f.failed()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	for {
		err := c.change(ctx, doing, actor, func(tx pgx.Tx) error {
			if n, err = catalog.Retry(ctx, tx, failed, f.Limit, actor); err == nil && n < int64(len(failed.IDs)) {
				err = errFewer
			}
			return err
		})
		if err == nil {
			return n, nil
		}
		if errors.Is(err, errFewer) {
			err = catalog.WhyNotRetryable(ctx, c.pool, f.IDs)
		}
		if err != nil {
			return 0, err
		}
		// Each of them has failed in the meantime: try again.
	}
}

// CountExpired counts the FAILED items that the filter means and Retry leaves alone, because their expiry has passed.
func (c *Client) CountExpired(ctx context.Context, f RetryFilter) (int64, error) {
	f.Limit = 0
	failed, err := f.failed()
	if err != nil {
		return 0, fmt.Errorf("count expired items: %w", err)
	}
	return catalog.CountExpired(ctx, c.pool, failed)
}

// failed returns the items that are meant, each named once.
func (f RetryFilter) failed() (catalog.Failed, error) {
	switch {
	case f.Limit < 0:
		return catalog.Failed{}, store.Invalid("limit must not be negative, got %d", f.Limit)
	case bounds.Words(f.Reason) != nil:
		return catalog.Failed{}, store.Invalid("reason %v", bounds.Words(f.Reason))
	case bounds.Reason(f.Why, bounds.MaxReason) != nil:
		return catalog.Failed{}, store.Invalid("why %v", bounds.Reason(f.Why, bounds.MaxReason))
	case f.IDs != nil && (f.WorkspaceID != uuid.Nil || f.Reason != "" || f.Limit != 0):
		return catalog.Failed{}, store.Invalid("items are named or filtered, not both")
	}
	ids := slices.Clone(f.IDs)
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	return catalog.Failed{IDs: slices.Compact(ids), WorkspaceID: f.WorkspaceID, Reason: f.Reason, Why: f.Why}, nil
}
