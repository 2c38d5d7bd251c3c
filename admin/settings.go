package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
)

// Settings hold for all workspaces together.
type Settings struct {
	MaxConcurrentWorkflows *int `json:"maxConcurrentWorkflows,omitempty"` // what the fleet can run; nil: not limited
	// AgeingStep is the head start of a priority against the next one: a lower one waits at most so much longer for each.
	AgeingStep time.Duration `json:"ageingStep"`
	// Retention is how long items that have ended and the activity log are kept, to the day or the month; 0: for ever.
	Retention time.Duration `json:"retention"`
}

// SettingsChange changes the fields that are not nil.
type SettingsChange struct {
	MaxConcurrentWorkflows *Change[int]
	AgeingStep             *time.Duration
	Retention              *time.Duration
}

// What the settings can be.
const (
	day           = 24 * time.Hour
	maxAgeingStep = 365 * day
	minRetention  = day
	maxRetention  = 36500 * day
)

// Settings returns the settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return catalog.ReadSettings[Settings](ctx, c.pool)
}

// Set changes settings, from the next claim on; a cut drains, it ends nothing that runs.
func (c *Client) Set(ctx context.Context, change SettingsChange, actor string) (s Settings, err error) {
	const doing = "change settings"
	if err := change.check(); err != nil {
		return s, fmt.Errorf("%s: %w", doing, err)
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		s, err = catalog.Set[Settings](ctx, tx, catalog.Settings{
			MaxConcurrentWorkflows: changeOf(change.MaxConcurrentWorkflows), AgeingStep: change.AgeingStep, Retention: change.Retention,
		})
		return err
	})
	return s, err
}

func (s SettingsChange) check() error {
	if s == (SettingsChange{}) {
		return store.Invalid("nothing to change: give a limit, an ageing step or a retention")
	}
	if most := changeOf(s.MaxConcurrentWorkflows).To; most != nil && (*most < 0 || *most > bounds.MaxCount) {
		return store.Invalid("max concurrent workflows must be 0 to %d, got %d", bounds.MaxCount, *most)
	}
	if step := s.AgeingStep; step != nil && (*step < 0 || *step > maxAgeingStep) {
		return store.Invalid("ageing step must be 0 to %s, got %s", maxAgeingStep, *step)
	}
	if keep := s.Retention; keep != nil && *keep != 0 && (*keep < minRetention || *keep > maxRetention) {
		return store.Invalid("retention must be 24h to %d days, or 0 to keep everything for ever, got %s", maxRetention/day, *keep)
	}
	return nil
}
