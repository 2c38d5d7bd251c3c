package admin

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Tier is what each workspace of a plan may use. What is nil does not limit, or follows from the rest.
type Tier struct {
	Plan                   string   `json:"plan"`
	MaxConcurrentWorkflows int      `json:"maxConcurrentWorkflows"`
	Weight                 int      `json:"weight"`
	NominalQuota           *int     `json:"nominalQuota,omitempty"`    // guaranteed; nil: all of MaxConcurrentWorkflows
	BorrowingLimit         *int     `json:"borrowingLimit,omitempty"`  // slots above NominalQuota; nil: up to MaxConcurrentWorkflows
	LendingLimit           *int     `json:"lendingLimit,omitempty"`    // of NominalQuota, to its cohort while they are idle; nil: all of it
	StartsPerSecond        *float64 `json:"startsPerSecond,omitempty"` // nil: not limited
	Burst                  *int     `json:"burst,omitempty"`           // starts at once after a rest; nil: those of one second, at least 1
}

// TierChange changes the fields that are not nil.
type TierChange struct {
	MaxConcurrentWorkflows *int
	Weight                 *int
	NominalQuota           *Change[int]
	BorrowingLimit         *Change[int]
	LendingLimit           *Change[int]
	StartsPerSecond        *Change[float64]
	Burst                  *Change[int]
}

// Tiers lists the tiers, smallest first.
func (c *Client) Tiers(ctx context.Context) ([]Tier, error) { return catalog.Tiers[Tier](ctx, c.pool) }

var planName = regexp.MustCompile(`^[A-Z][A-Z0-9_-]{0,62}$`)

// SetTier changes a tier, or creates one when MaxConcurrentWorkflows is given. The change holds from the next claim on; a cut
// drains, it ends nothing that runs.
func (c *Client) SetTier(ctx context.Context, plan string, change TierChange, actor string) (tier Tier, err error) {
	const doing = "set tier"
	upper := strings.ToUpper(plan)
	limits := catalog.Limits{
		MaxConcurrentWorkflows: valueOf(change.MaxConcurrentWorkflows), Weight: valueOf(change.Weight), NominalQuota: changeOf(change.NominalQuota),
		BorrowingLimit: changeOf(change.BorrowingLimit), LendingLimit: changeOf(change.LendingLimit), StartsPerSecond: changeOf(change.StartsPerSecond), Burst: changeOf(change.Burst),
	}
	limits.Burst = burstOf(limits)
	if !planName.MatchString(upper) {
		err = store.Invalid("plan %q must be a word of capital letters, digits, - and _", plan)
	} else {
		err = check(limits)
	}
	if err != nil {
		return tier, fmt.Errorf("%s: %w", doing, err)
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		if tier, err = catalog.SetTier[Tier](ctx, tx, upper, limits); err != nil {
			return err
		}
		return consistent("plan "+upper, tier.MaxConcurrentWorkflows, tier.NominalQuota, tier.StartsPerSecond, tier.Burst)
	})
	return tier, err
}
