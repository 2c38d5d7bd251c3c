package queue

import (
	"context"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Tier is what each workspace of a plan may use. What is nil does not bind, or follows from the rest.
type Tier struct {
	Plan                   string   `json:"plan"`
	MaxConcurrentWorkflows int      `json:"maxConcurrentWorkflows"`
	Weight                 int      `json:"weight"`
	NominalQuota           *int     `json:"nominalQuota,omitempty"`    // guaranteed; nil: all of MaxConcurrentWorkflows
	BorrowingLimit         *int     `json:"borrowingLimit,omitempty"`  // slots above NominalQuota; nil: up to MaxConcurrentWorkflows
	StartsPerSecond        *float64 `json:"startsPerSecond,omitempty"` // nil: not bounded
	Burst                  *int     `json:"burst,omitempty"`           // starts at once after a rest; nil: those of one second, at least 1
}

// TierChange changes the fields that are not nil.
type TierChange struct {
	MaxConcurrentWorkflows *int
	Weight                 *int
	NominalQuota           *Change[int]
	BorrowingLimit         *Change[int]
	StartsPerSecond        *Change[float64]
	Burst                  *Change[int]
}

var planName = regexp.MustCompile(`^[A-Z][A-Z0-9_-]{0,62}$`)

const tierColumns = `plan, max_concurrent_workflows, weight, nominal_quota, borrowing_limit, starts_per_second, burst`

// Tiers lists the tiers, smallest first.
func (q *Queue) Tiers(ctx context.Context) ([]Tier, error) {
	tiers, err := collect[Tier](ctx, q.pool, `SELECT `+tierColumns+` FROM sluice.tiers ORDER BY max_concurrent_workflows, plan`)
	return tiers, wrap(err, "list tiers")
}

// SetTier changes a tier, or creates one when MaxConcurrentWorkflows is given. The change holds from the next claim
// on; a cut drains and kills nothing.
func (q *Queue) SetTier(ctx context.Context, plan string, change TierChange, actor string) (Tier, error) {
	t := Tier{Plan: strings.ToUpper(plan)}
	if !planName.MatchString(t.Plan) {
		return t, invalid("plan %q must be a word of capital letters, digits, - and _", plan)
	}
	limits := limitChange{
		max: to(change.MaxConcurrentWorkflows), weight: to(change.Weight), nominal: change.NominalQuota, borrowing: change.BorrowingLimit,
		rate: change.StartsPerSecond, burst: change.Burst,
	}
	if err := limits.validate(); err != nil {
		return t, err
	}
	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		if change.MaxConcurrentWorkflows != nil {
			_, err := tx.Exec(ctx, `INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES ($1, $2) ON CONFLICT (plan) DO NOTHING`,
				t.Plan, *change.MaxConcurrentWorkflows)
			if err != nil {
				return err
			}
		}
		set, args := limits.assignments(t.Plan)
		tag, err := tx.Exec(ctx, `UPDATE sluice.tiers SET `+set+` WHERE plan = $1`, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return &RequestError{Kind: ErrUnknownPlan, Message: "unknown plan " + t.Plan, Hint: "give a limit to create it"}
		}
		rows, err := tx.Query(ctx, `SELECT `+tierColumns+` FROM sluice.tiers WHERE plan = $1`, t.Plan)
		if err != nil {
			return err
		}
		if t, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Tier]); err != nil {
			return err
		}
		return consistent("plan "+t.Plan, t.MaxConcurrentWorkflows, t.NominalQuota, t.StartsPerSecond, t.Burst)
	})
	return t, wrap(err, "set tier")
}
