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
	claims, err := judge(ctx, db, time.Time{}, time.Time{}, 0)
	return claims, claims.Shared.First, err
}
