package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/internal/store/controls"
)

// TemporaryLimit is a limit of a workspace that holds until a time, instead of its own or its plan's.
type TemporaryLimit struct {
	Limit  string    `json:"limit"` // maxConcurrentWorkflows, weight, nominalQuota, borrowingLimit, lendingLimit, startsPerSecond or burst
	To     float64   `json:"to"`
	Until  time.Time `json:"until"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
}

// limitNames are the names of limits, by their columns.
var limitNames = map[string]string{
	"max_concurrent_workflows": "maxConcurrentWorkflows", "weight": "weight", "nominal_quota": "nominalQuota",
	"borrowing_limit": "borrowingLimit", "lending_limit": "lendingLimit", "starts_per_second": "startsPerSecond", "burst": "burst",
}

// SetWorkspaceFor is SetWorkspace for a term, which must have an end: then each limit falls back by itself to what it would be
// without, whatever has been set for good meanwhile. Only limits can be given so, and each needs a value. Where the ceiling is
// below the nominal quota that counts as the ceiling. To set a limit for good, or with EndTemporary, ends the one for a time.
func (c *Client) SetWorkspaceFor(ctx context.Context, id uuid.UUID, change WorkspaceChange, t Term, actor, reason string) (w WorkspaceLimits, err error) {
	const doing = "set workspace for a time"
	limits := change.limits()
	wanted, err := temporaries(change, limits)
	for _, check := range []func() error{
		func() error { return err }, t.check, t.checkEnd, func() error { return check(limits) },
		func() error { return named("reason", bounds.Reason(reason, bounds.MaxReason)) },
	} {
		if err := check(); err != nil {
			return w, fmt.Errorf("%s: %w", doing, err)
		}
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		f, err := controls.SetTemporary(ctx, tx, id, wanted, controls.Term(t), actor, strings.TrimSpace(reason))
		if err != nil {
			return err
		}
		if limits.NominalQuota.To == nil {
			f.Nominal = nil // it counts as the ceiling where that is below it
		}
		if limits.Burst.To == nil {
			f.Burst = nil
		}
		return consistent("workspace "+f.Name, f.Ceiling, f.Nominal, f.Rate, f.Burst)
	})
	if err != nil {
		return w, err
	}
	list, err := c.WorkspaceLimits(ctx, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s: %w", doing, &store.RequestError{Kind: ErrUnknownWorkspace, Message: "unknown workspace " + id.String()})
	}
	if err != nil {
		return w, err
	}
	return list[0], nil
}

// EndTemporary has all limits for a time of a workspace fall back at once, and returns how many there were.
func (c *Client) EndTemporary(ctx context.Context, id uuid.UUID, actor string) (n int64, err error) {
	err = c.change(ctx, "end limits for a time", actor, func(tx pgx.Tx) error {
		n, err = controls.EndTemporary(ctx, tx, id, nil)
		return err
	})
	return n, err
}

func (t Term) checkEnd() error {
	if t == (Term{}) {
		return store.Invalid("a limit for a time needs an end: say for how long, or until when")
	}
	return nil
}

// temporaries are the limits of a change, each with its value.
func temporaries(change WorkspaceChange, l catalog.Limits) (list []controls.Limit, err error) {
	if change.Cohort != nil || change.AllowedHosts != nil || change.ExternalKey != nil {
		return nil, store.Invalid("a cohort, allowed hosts and a key are set for good: only limits hold for a time")
	}
	add := func(name string, set bool, value *float64) {
		if set && value == nil {
			err = store.Invalid("%s for a time needs a value: without one it falls back to what it is anyway", limitNames[name])
		} else if set {
			list = append(list, controls.Limit{Name: name, Value: *value})
		}
	}
	whole := func(name string, c catalog.Change[int]) {
		var value *float64
		if c.To != nil {
			value = new(float64(*c.To))
		}
		add(name, c.Set, value)
	}
	whole("max_concurrent_workflows", l.MaxConcurrentWorkflows)
	whole("weight", l.Weight)
	whole("nominal_quota", l.NominalQuota)
	whole("borrowing_limit", l.BorrowingLimit)
	whole("lending_limit", l.LendingLimit)
	whole("burst", l.Burst)
	add("starts_per_second", l.StartsPerSecond.Set, l.StartsPerSecond.To)
	return list, err
}

// withTemporary fills in the limits for a time.
func (c *Client) withTemporary(ctx context.Context, list []WorkspaceLimits, ids ...uuid.UUID) error {
	found, err := controls.TemporaryOf(ctx, c.pool, ids...)
	of := map[uuid.UUID][]TemporaryLimit{}
	for _, t := range found {
		of[t.WorkspaceID] = append(of[t.WorkspaceID], TemporaryLimit{limitNames[t.Name], t.Value, t.Until, t.Actor, t.Reason})
	}
	for i := range list {
		list[i].Temporary = of[list[i].ID]
	}
	return err
}

// columns are those of limits that a change sets for good.
func columns(l catalog.Limits) (names []string) {
	for name, set := range map[string]bool{
		"max_concurrent_workflows": l.MaxConcurrentWorkflows.Set, "weight": l.Weight.Set, "nominal_quota": l.NominalQuota.Set,
		"borrowing_limit": l.BorrowingLimit.Set, "lending_limit": l.LendingLimit.Set, "starts_per_second": l.StartsPerSecond.Set, "burst": l.Burst.Set,
	} {
		if set {
			names = append(names, name)
		}
	}
	return names
}
