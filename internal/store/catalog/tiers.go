package catalog

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/store"
)

var tiersSQL = load("tiers")

// Tiers lists the tiers, smallest first.
func Tiers[T any](ctx context.Context, db store.DB) ([]T, error) {
	tiers, err := store.Collect[T](ctx, db, tiersSQL)
	return tiers, store.Wrap(err, "list tiers")
}

var (
	createTierSQL = load("create_tier", "plan", "max")
	setTierSQL    = load("set_tier", append(tierLimits[:len(tierLimits):len(tierLimits)], "plan")...)
)

// SetTier changes limits of a tier, and creates the tier if its maximum is given.
func SetTier[T any](ctx context.Context, tx pgx.Tx, plan string, l Limits) (tier T, err error) {
	if l.MaxConcurrentWorkflows.To != nil {
		if _, err := tx.Exec(ctx, createTierSQL, plan, *l.MaxConcurrentWorkflows.To); err != nil {
			return tier, err
		}
	}
	tier, err = one[T](ctx, tx, setTierSQL, append(l.arguments(), plan)...)
	if errors.Is(err, pgx.ErrNoRows) {
		err = &store.RequestError{Kind: store.ErrUnknownPlan, Message: "unknown plan " + plan, Hint: "give a limit to create it"}
	}
	return tier, err
}

// IsUnknownPlan tells an error of a workspace, or of the settings, that was to have a plan for which there is no tier.
func IsUnknownPlan(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23503" && (pg.TableName == "workspaces" || pg.TableName == "settings")
}
