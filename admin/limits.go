package admin

import (
	"context"
	"fmt"
	"regexp"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/outbound"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/internal/store/controls"
)

// Change is a new value for a limit; To nil takes the limit away.
type Change[T any] struct{ To *T }

// WorkspaceLimits are what a workspace may use instead of what its plan says; what is nil is left to the plan.
type WorkspaceLimits struct {
	Workspace
	MaxConcurrentWorkflows *int     `json:"maxConcurrentWorkflows,omitempty"`
	Weight                 *int     `json:"weight,omitempty"`
	NominalQuota           *int     `json:"nominalQuota,omitempty"`
	BorrowingLimit         *int     `json:"borrowingLimit,omitempty"`
	LendingLimit           *int     `json:"lendingLimit,omitempty"`
	StartsPerSecond        *float64 `json:"startsPerSecond,omitempty"`
	Burst                  *int     `json:"burst,omitempty"`
	Cohort                 *string  `json:"cohort,omitempty"` // whose members lend one another what they leave idle
	// AllowedHosts are what its http nodes may call: names, *. and a name for all below it, or IP addresses, each with :PORT or
	// for all ports; nil: any host. At most 100.
	AllowedHosts []string `json:"allowedHosts,omitempty"`
	// Temporary are the limits that hold for a time instead, see SetWorkspaceFor.
	Temporary []TemporaryLimit `json:"temporary,omitempty" db:"-"`
}

// WorkspaceChange changes the limits that are not nil; one that is taken away is left to the plan again.
type WorkspaceChange struct {
	MaxConcurrentWorkflows *Change[int]
	Weight                 *Change[int]
	NominalQuota           *Change[int]
	BorrowingLimit         *Change[int]
	LendingLimit           *Change[int]
	StartsPerSecond        *Change[float64]
	Burst                  *Change[int]
	Cohort                 *Change[string]
	AllowedHosts           *Change[[]string] // from the next call on
	ExternalKey            *Change[string]   // see Workspace
}

// WorkspaceLimits lists what is set for workspaces, by name; for all of them if no ids are given.
func (c *Client) WorkspaceLimits(ctx context.Context, ids ...uuid.UUID) ([]WorkspaceLimits, error) {
	list, err := catalog.WorkspaceLimits[WorkspaceLimits](ctx, c.pool, ids...)
	if err != nil || len(list) == 0 {
		return list, err
	}
	return list, c.withTemporary(ctx, list, ids...)
}

// SetWorkspace changes what one workspace may use, from the next claim on; a cut drains, it ends nothing that runs. Where a limit
// is set that holds for a time at present, it ends that.
func (c *Client) SetWorkspace(ctx context.Context, id uuid.UUID, change WorkspaceChange, actor string) (WorkspaceLimits, error) {
	const doing = "set workspace"
	type inForce struct {
		WorkspaceLimits
		Ceiling int // with Rate, what holds for the workspace, of its own or of its plan
		Rate    *float64
	}
	var changed inForce
	limits := change.limits()
	if hosts := limits.AllowedHosts.To; hosts != nil {
		canonical, err := outbound.CanonicalHosts(*hosts)
		if err != nil {
			return changed.WorkspaceLimits, fmt.Errorf("%s: %w", doing, store.Invalid("allowed hosts: %v", err))
		}
		limits.AllowedHosts.To = &canonical
	}
	if err := checkKey(limits.ExternalKey.To); err != nil {
		return changed.WorkspaceLimits, fmt.Errorf("%s: %w", doing, err)
	}
	limits.Burst = burstOf(limits)
	if err := check(limits); err != nil {
		return changed.WorkspaceLimits, fmt.Errorf("%s: %w", doing, err)
	}
	err := c.change(ctx, doing, actor, func(tx pgx.Tx) (err error) {
		if changed, err = catalog.SetWorkspace[inForce](ctx, tx, id, limits); err != nil {
			return err
		}
		if names := columns(limits); len(names) > 0 {
			if _, err := controls.EndTemporary(ctx, tx, id, names); err != nil {
				return err
			}
		}
		return consistent("workspace "+changed.Name, changed.Ceiling, changed.NominalQuota, changed.Rate, changed.Burst)
	})
	if err != nil {
		return changed.WorkspaceLimits, err
	}
	list := []WorkspaceLimits{changed.WorkspaceLimits}
	err = c.withTemporary(ctx, list, id)
	return list[0], err
}

// Check refuses values that no limit can have, as SetWorkspace does; it asks no database.
func (change WorkspaceChange) Check() error {
	if limits := change.limits(); limits != (catalog.Limits{}) {
		return check(limits)
	}
	return nil
}

// limits are the change as it is made.
func (change WorkspaceChange) limits() catalog.Limits {
	return catalog.Limits{
		MaxConcurrentWorkflows: changeOf(change.MaxConcurrentWorkflows), Weight: changeOf(change.Weight), NominalQuota: changeOf(change.NominalQuota),
		BorrowingLimit: changeOf(change.BorrowingLimit), LendingLimit: changeOf(change.LendingLimit), StartsPerSecond: changeOf(change.StartsPerSecond), Burst: changeOf(change.Burst),
		Cohort: changeOf(change.Cohort), AllowedHosts: changeOf(change.AllowedHosts), ExternalKey: changeOf(change.ExternalKey),
	}
}

// burstOf takes the burst away with a rate that is taken away: it says nothing without one.
func burstOf(l catalog.Limits) catalog.Change[int] {
	if l.StartsPerSecond.Set && l.StartsPerSecond.To == nil && !l.Burst.Set {
		return catalog.Change[int]{Set: true}
	}
	return l.Burst
}

// changeOf makes a change for the store; nil changes nothing.
func changeOf[T any](change *Change[T]) catalog.Change[T] {
	if change == nil {
		return catalog.Change[T]{}
	}
	return catalog.Change[T]{Set: true, To: change.To}
}

// valueOf makes a change of what cannot be taken away; nil changes nothing.
func valueOf[T any](value *T) catalog.Change[T] {
	return catalog.Change[T]{Set: value != nil, To: value}
}

var cohortName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// check refuses values that no limit can have.
func check(l catalog.Limits) error {
	if l == (catalog.Limits{}) {
		return store.Invalid("nothing to change: give a limit or a weight")
	}
	for _, n := range []struct {
		name     string
		to       *int
		low, top int
	}{
		{"max concurrent workflows", l.MaxConcurrentWorkflows.To, 0, bounds.MaxCount}, {"nominal quota", l.NominalQuota.To, 0, bounds.MaxCount},
		{"borrowing limit", l.BorrowingLimit.To, 0, bounds.MaxCount}, {"lending limit", l.LendingLimit.To, 0, bounds.MaxCount}, {"weight", l.Weight.To, 1, bounds.MaxShare}, {"burst", l.Burst.To, 1, bounds.MaxCount},
	} {
		if n.to != nil && (*n.to < n.low || *n.to > n.top) {
			return store.Invalid("%s must be %d to %d, got %d", n.name, n.low, n.top, *n.to)
		}
	}
	if rate := l.StartsPerSecond.To; rate != nil {
		switch {
		case !(*rate > 0 && *rate <= bounds.MaxRate): // nor NaN
			return store.Invalid("starts per second must be more than 0 and at most %d, got %g", int(bounds.MaxRate), *rate)
		case *rate < bounds.MinRate:
			return store.Invalid("starts per second must be at least %g, got %g: pause a workspace by max concurrent workflows 0", bounds.MinRate, *rate)
		}
	}
	if cohort := l.Cohort.To; cohort != nil && !cohortName.MatchString(*cohort) {
		return store.Invalid("cohort %q must be a word of small letters, digits, - and _", *cohort)
	}
	return nil
}

// consistent refuses limits that contradict one another. They are those that then hold for what.
func consistent(what string, most int, nominal *int, rate *float64, burst *int) error {
	switch {
	case nominal != nil && *nominal > most:
		return store.Invalid("%s would be guaranteed %d slots and may hold at most %d: raise max concurrent workflows or lower the nominal quota", what, *nominal, most)
	case burst != nil && rate == nil:
		return store.Invalid("%s would have a burst of %d without a rate: give a rate, or take the burst away too", what, *burst)
	}
	return nil
}
