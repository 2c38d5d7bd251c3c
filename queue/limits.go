package queue

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Change is a new value for a limit; To nil takes the limit away.
type Change[T any] struct{ To *T }

// to makes a change of a value that cannot be taken away.
func to[T any](value *T) *Change[T] {
	if value == nil {
		return nil
	}
	return &Change[T]{value}
}

// Settings hold for all workspaces together.
type Settings struct {
	MaxConcurrentWorkflows *int `json:"maxConcurrentWorkflows,omitempty"` // what the fleet can run; nil: not bounded
	// AgeingStep is the head start of a priority against the next one: a lower one waits at most so much longer for each.
	AgeingStep time.Duration `json:"ageingStep"`
}

// SettingsChange changes the fields that are not nil.
type SettingsChange struct {
	MaxConcurrentWorkflows *Change[int]
	AgeingStep             *time.Duration
}

// maxAgeingStep is a year.
const maxAgeingStep = 365 * 24 * time.Hour

// Settings returns the settings.
func (q *Queue) Settings(ctx context.Context) (s Settings, err error) {
	err = q.pool.QueryRow(ctx, `SELECT max_concurrent_workflows, ageing_step FROM sluice.settings`).Scan(&s.MaxConcurrentWorkflows, &s.AgeingStep)
	return s, wrap(err, "read settings")
}

// Set changes settings, from the next claim on; a cut drains and kills nothing.
func (q *Queue) Set(ctx context.Context, change SettingsChange, actor string) (s Settings, err error) {
	limits := limitChange{max: change.MaxConcurrentWorkflows, ageing: to(change.AgeingStep)}
	if err := limits.validate(); err != nil {
		return s, err
	}
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		if err := actAs(ctx, tx, actor); err != nil {
			return err
		}
		set, args := limits.assignments(true)
		return tx.QueryRow(ctx, `UPDATE sluice.settings SET `+set+` WHERE one = $1 RETURNING max_concurrent_workflows, ageing_step`, args...).
			Scan(&s.MaxConcurrentWorkflows, &s.AgeingStep)
	})
	return s, wrap(err, "change settings")
}

// limitChange is a change of a tier, of a workspace or of the settings: what is nil stays.
type limitChange struct {
	max       *Change[int]
	weight    *Change[int]
	nominal   *Change[int]
	borrowing *Change[int]
	rate      *Change[float64]
	burst     *Change[int]
	cohort    *Change[string]
	ageing    *Change[time.Duration]
}

var cohortName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// maxRate is more than anything can start.
const maxRate = 1e6

func (l limitChange) validate() error {
	if l == (limitChange{}) {
		return invalid("nothing to change: give a limit or a weight")
	}
	for _, n := range []struct {
		name     string
		change   *Change[int]
		low, top int
	}{
		{"max concurrent workflows", l.max, 0, math.MaxInt32}, {"nominal quota", l.nominal, 0, math.MaxInt32},
		{"borrowing limit", l.borrowing, 0, math.MaxInt32}, {"weight", l.weight, 1, 1000}, {"burst", l.burst, 1, math.MaxInt32},
	} {
		if n.change != nil && n.change.To != nil && (*n.change.To < n.low || *n.change.To > n.top) {
			return invalid("%s must be %d to %d, got %d", n.name, n.low, n.top, *n.change.To)
		}
	}
	if l.rate != nil && l.rate.To != nil && !(*l.rate.To > 0 && *l.rate.To <= maxRate) {
		return invalid("starts per second must be more than 0 and at most %d, got %g", int(maxRate), *l.rate.To)
	}
	if l.cohort != nil && l.cohort.To != nil && !cohortName.MatchString(*l.cohort.To) {
		return invalid("cohort %q must be a word of small letters, digits, - and _", *l.cohort.To)
	}
	if l.ageing != nil && (*l.ageing.To < 0 || *l.ageing.To > maxAgeingStep) {
		return invalid("ageing step must be 0 to %s, got %s", maxAgeingStep, *l.ageing.To)
	}
	return nil
}

// assignments makes the SET of an UPDATE, with key as its first argument.
func (l limitChange) assignments(key any) (set string, args []any) {
	parts, args := []string{"updated_at = now()"}, []any{key}
	add := func(column string, value any) {
		args = append(args, value)
		parts = append(parts, fmt.Sprintf("%s = $%d", column, len(args)))
	}
	for _, n := range []struct {
		column string
		change *Change[int]
	}{
		{"max_concurrent_workflows", l.max}, {"weight", l.weight}, {"nominal_quota", l.nominal}, {"borrowing_limit", l.borrowing}, {"burst", l.burst},
	} {
		if n.change != nil {
			add(n.column, n.change.To)
		}
	}
	if l.rate != nil {
		add("starts_per_second", l.rate.To)
	}
	if l.cohort != nil {
		add("cohort", l.cohort.To)
	}
	if l.ageing != nil {
		add("ageing_step", *l.ageing.To)
	}
	return strings.Join(parts, ", "), args
}

// consistent refuses limits that contradict one another. They are those that then hold for what.
func consistent(what string, most int, nominal *int, rate *float64, burst *int) error {
	switch {
	case nominal != nil && *nominal > most:
		return invalid("%s would be guaranteed %d slots and may hold at most %d: raise max concurrent workflows or lower the nominal quota", what, *nominal, most)
	case burst != nil && rate == nil:
		return invalid("%s would have a burst of %d without a rate: give a rate, or take the burst away too", what, *burst)
	}
	return nil
}
