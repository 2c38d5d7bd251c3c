package dispatch

import (
	"time"

	"github.com/google/uuid"
)

// HeardIn has the engine believe that it has last heard in a snapshot, in Postgres' own notation.
func (e *Engine) HeardIn(snapshot string) { e.cache.mark = snapshot }

// HeardNow has the engine believe that it has heard a moment ago.
func (e *Engine) HeardNow() { e.cache.heard = time.Now() }

// KeepTimes has the engine put virtual times on record with its next claim, as if a second had passed.
func (e *Engine) KeepTimes() { e.cache.kept = time.Time{} }

// Took is for how long the engine knows the executions of a workspace to take.
func (e *Engine) Took(workspace uuid.UUID) time.Duration {
	return time.Duration(e.cache.byID[workspace].account.Mean.Micros) * time.Microsecond
}

// SlotTimes is what the engine knows of how long executions of each kind of a workspace take.
func (e *Engine) SlotTimes(workspace uuid.UUID) map[string]float64 {
	return e.cache.byID[workspace].account.Record()
}

// ClockWasAhead has the engine believe that it has heard by a clock that was ahead.
func (e *Engine) ClockWasAhead(by time.Duration) { e.cache.now += by.Microseconds() }
