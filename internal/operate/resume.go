package operate

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/workflows"
)

// ResumeAll ends the pause of everything, which may be in the database, or the dispatchers' own, or both, and tells whether there was one.
// With changed and an error, the one in the database is ended, and of the dispatchers' own it is not known.
func ResumeAll(ctx context.Context, dial func(context.Context) (client.Client, error), db *pgxpool.Pool, actor, reason string) (changed bool, err error) {
	if changed, err = admin.New(db).Resume(ctx, admin.Scope{}, actor, reason); err != nil {
		return false, err
	}
	c, err := dial(ctx)
	if err == nil {
		_, err = Resume(ctx, c, db, workflows.ResumeRequest{Actor: actor})
	}
	if errors.Is(err, ErrRefused) { // they are not paused themselves
		return changed, nil
	}
	return changed || err == nil, err
}
