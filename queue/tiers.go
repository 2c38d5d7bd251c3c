package queue

import (
	"context"
	"math"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Tier is what a plan may use.
type Tier struct {
	Plan                   string `json:"plan"`
	MaxConcurrentWorkflows int    `json:"maxConcurrentWorkflows"`
	Weight                 int    `json:"weight"`
}

// TierChange changes the fields that are not nil.
type TierChange struct {
	MaxConcurrentWorkflows *int
	Weight                 *int
}

var planName = regexp.MustCompile(`^[A-Z][A-Z0-9_-]{0,62}$`)

// Tiers lists the tiers, smallest first.
func (q *Queue) Tiers(ctx context.Context) ([]Tier, error) {
	tiers, err := collect[Tier](ctx, q.pool, `
		SELECT plan, max_concurrent_workflows, weight FROM sluice.tiers ORDER BY max_concurrent_workflows, plan`)
	return tiers, wrap(err, "list tiers")
}

// SetTier changes a tier, or creates one when MaxConcurrentWorkflows is given. The change holds from the next claim
// on; a cut drains and kills nothing.
func (q *Queue) SetTier(ctx context.Context, plan string, change TierChange, actor string) (Tier, error) {
	t := Tier{Plan: strings.ToUpper(plan)}
	limit, weight := change.MaxConcurrentWorkflows, change.Weight
	switch {
	case !planName.MatchString(t.Plan):
		return t, invalid("plan %q must be a word of capital letters, digits, - and _", plan)
	case limit == nil && weight == nil:
		return t, invalid("nothing to change: give a limit or a weight")
	case limit != nil && *limit < 0:
		return t, invalid("max concurrent workflows must not be negative, got %d", *limit)
	case limit != nil && *limit > math.MaxInt32:
		return t, invalid("max concurrent workflows must be at most %d, got %d", math.MaxInt32, *limit)
	case weight != nil && (*weight < 1 || *weight > 1000):
		return t, invalid("weight must be 1 to 1000, got %d", *weight)
	}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE sluice.tiers SET max_concurrent_workflows = coalesce($2, max_concurrent_workflows),
			       weight = coalesce($3, weight), updated_at = now() WHERE plan = $1`, t.Plan, limit, weight)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			if limit == nil {
				return &RequestError{Kind: ErrUnknownPlan, Message: "unknown plan " + t.Plan, Hint: "give a limit to create it"}
			}
			_, err = tx.Exec(ctx, `INSERT INTO sluice.tiers (plan, max_concurrent_workflows, weight) VALUES ($1, $2, coalesce($3, 1))`, t.Plan, *limit, weight)
			if err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `SELECT max_concurrent_workflows, weight FROM sluice.tiers WHERE plan = $1`, t.Plan).
			Scan(&t.MaxConcurrentWorkflows, &t.Weight)
	})
	return t, wrap(err, "set tier")
}
