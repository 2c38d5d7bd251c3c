package operate

import (
	"context"
	"time"

	"sluice/internal/audit"
	"sluice/internal/store"
)

// ListOpenExecutions tells tests when the visibility store has caught up.
var ListOpenExecutions = listOpenExecutions

// JudgeToTheMoment judges all claims without any slack.
func JudgeToTheMoment(ctx context.Context, db store.DB) (audit.Claims, []audit.Breach, error) {
	a := &auditor{db: db}
	held, err := a.held(ctx, time.Time{})
	if err != nil {
		return audit.Claims{}, nil, err
	}
	limits, shared, err := a.limits(ctx)
	return audit.JudgeClaims(held, limits, time.Time{}, 0), audit.JudgeShared(held, shared, time.Time{}, 0), err
}
