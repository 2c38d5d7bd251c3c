package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/bounds"
	"sluice/internal/definition"
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
	// AutoCreatePlan is the plan of workspaces that the first enqueue for them creates; nil: they are created beforehand.
	AutoCreatePlan *string `json:"autoCreatePlan,omitempty"`
	// TaskQueue is that of workflows which name none, with {workspace} for the id of their workspace.
	TaskQueue string `json:"taskQueue"`
	// Fairness is what workspaces share by weight: FairSlotTime or FairStarts.
	Fairness string `json:"fairness"`
}

// What workspaces can share by weight.
const (
	FairSlotTime = "slot-time" // the time for which slots are held
	FairStarts   = "starts"    // how often something starts, however long it takes
)

// SettingsChange changes the fields that are not nil.
type SettingsChange struct {
	MaxConcurrentWorkflows *Change[int]
	AgeingStep             *time.Duration
	Retention              *time.Duration
	AutoCreatePlan         *Change[string] // ErrUnknownPlan says that there is no such tier
	TaskQueue              *string         // from the next enqueue on
	Fairness               *string         // FairSlotTime or FairStarts
}

// What the settings can be.
const (
	day           = 24 * time.Hour
	maxAgeingStep = 365 * day
	minRetention  = day
	maxRetention  = 36500 * day
	maxTaskQueue  = 900
)

// Settings returns the settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	return catalog.ReadSettings[Settings](ctx, c.pool)
}

// Set changes settings, from the next claim on; a cut drains, it ends nothing that runs.
func (c *Client) Set(ctx context.Context, change SettingsChange, actor string) (s Settings, err error) {
	const doing = "change settings"
	err = change.Check()
	if change == (SettingsChange{}) {
		err = store.Invalid("nothing to change: give a limit, an ageing step, a retention, a plan, a task queue or what fairness counts")
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", doing, err)
	}
	plan := changeOf(change.AutoCreatePlan)
	if plan.To != nil {
		plan.To = new(strings.ToUpper(*plan.To))
	}
	err = c.change(ctx, doing, actor, func(tx pgx.Tx) error {
		s, err = catalog.Set[Settings](ctx, tx, catalog.Settings{
			MaxConcurrentWorkflows: changeOf(change.MaxConcurrentWorkflows), AgeingStep: change.AgeingStep, Retention: change.Retention,
			AutoCreatePlan: plan, TaskQueue: change.TaskQueue, Fairness: change.Fairness,
		})
		return err
	})
	if plan.To != nil {
		err = c.unknownPlan(ctx, err, doing, *plan.To)
	}
	return s, err
}

// Check refuses values that no setting can have, as Set does; it asks no database.
func (s SettingsChange) Check() error {
	if most := changeOf(s.MaxConcurrentWorkflows).To; most != nil && (*most < 0 || *most > bounds.MaxCount) {
		return store.Invalid("max concurrent workflows must be 0 to %d, got %d", bounds.MaxCount, *most)
	}
	if step := s.AgeingStep; step != nil && (*step < 0 || *step > maxAgeingStep) {
		return store.Invalid("ageing step must be 0 to %s, got %s", maxAgeingStep, *step)
	}
	if keep := s.Retention; keep != nil && *keep != 0 && (*keep < minRetention || *keep > maxRetention) {
		return store.Invalid("retention must be 24h to %d days, or 0 to keep everything for ever, got %s", maxRetention/day, *keep)
	}
	if f := s.Fairness; f != nil && *f != FairSlotTime && *f != FairStarts {
		return store.Invalid("fairness must be %s or %s, not %q", FairSlotTime, FairStarts, *f)
	}
	if s.TaskQueue != nil {
		return checkTaskQueue(*s.TaskQueue)
	}
	return nil
}

const workspaceInTaskQueue = "{workspace}"

// checkTaskQueue refuses a template that makes task queues which no workflow may have.
func checkTaskQueue(template string) error {
	if template == "" || len(template) > maxTaskQueue {
		return store.Invalid("the task queue must have 1 to %d bytes, not %d", maxTaskQueue, len(template))
	}
	workspace := uuid.New()
	if err := definition.CheckWorkflow(workspace, "Any", strings.ReplaceAll(template, workspaceInTaskQueue, workspace.String()), ""); err != nil {
		return store.Invalid("task queue %q: %v", template, err)
	}
	return nil
}
