package catalog

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/store"
)

// Settings are changes of what holds for all workspaces together; nil leaves a duration or the task queue as it is.
type Settings struct {
	MaxConcurrentWorkflows Change[int]
	AgeingStep             *time.Duration
	Retention              *time.Duration
	AutoCreatePlan         Change[string] // IsUnknownPlan tells an error that says that there is no such plan
	TaskQueue              *string
	Fairness               *string
}

var settingsSQL = load("settings")

// ReadSettings reads the settings.
func ReadSettings[T any](ctx context.Context, db store.DB) (T, error) {
	settings, err := one[T](ctx, db, settingsSQL)
	return settings, store.Wrap(err, "read settings")
}

var setSettingsSQL = load("set_settings", "set_max", "max", "ageing_step", "retention", "set_plan", "plan", "task_queue", "fairness")

// Set changes settings.
func Set[T any](ctx context.Context, tx pgx.Tx, s Settings) (T, error) {
	return one[T](ctx, tx, setSettingsSQL, s.MaxConcurrentWorkflows.Set, s.MaxConcurrentWorkflows.To, s.AgeingStep, s.Retention,
		s.AutoCreatePlan.Set, s.AutoCreatePlan.To, s.TaskQueue, s.Fairness)
}
