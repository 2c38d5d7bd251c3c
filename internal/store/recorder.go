package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"sluice/internal/gather"
)

// Recorder records outcomes that come at the same time by one statement (see package gather). It is safe for concurrent use and
// needs no closing.
type Recorder struct {
	db       DB
	outcomes *gather.Gatherer[Outcome, bool]
	freed    Freed
}

// Freed is told which executions have ended, by statements that began at a time or later by the clock of this process, and when by the
// database's; the zero time if that is not known.
type Freed func(executions []uuid.UUID, since, at time.Time)

type report = gather.Call[Outcome, bool]

// lockPatience is how long, in milliseconds, many outcomes wait for a row that another transaction has locked: far longer than
// a settle takes. Then each waits for itself.
const lockPatience = 500

// NewRecorder returns a recorder. freed, which may be nil, is told what it has recorded.
func NewRecorder(db DB, freed Freed) *Recorder {
	if freed == nil {
		freed = func([]uuid.UUID, time.Time, time.Time) {}
	}
	r := &Recorder{db: db, freed: freed}
	r.outcomes = &gather.Gatherer[Outcome, bool]{
		Doing: "record outcome",
		Room:  1, // two of half the size cost Postgres a fifth more
		Size:  func(o Outcome) int { return len(o.Output) + len(o.Error) },
		Alone: r.alone, Together: r.together,
	}
	return r
}

// Record is RecordOutcome, to the same answer, for many at a time. When ctx ends first, the outcome may or may not have been
// recorded.
func (r *Recorder) Record(ctx context.Context, o Outcome) (bool, error) {
	return r.outcomes.Do(ctx, o.storable())
}

func (r *Recorder) alone(ctx context.Context, o Outcome) (bool, error) {
	began := time.Now()
	at, err := recordOutcome(ctx, r.db, o)
	if !at.IsZero() {
		r.freed([]uuid.UUID{o.ExecutionID}, began, at)
	}
	return !at.IsZero(), err
}

// together records in the order in which every statement locks executions, and of each execution one outcome: another finds
// out alone.
func (r *Recorder) together(ctx context.Context, reports []*report) {
	id := func(one *report) uuid.UUID { return one.Request.ExecutionID }
	r.end(ctx, slices.CompactFunc(inOrder(reports, id), func(a, b *report) bool { return id(a) == id(b) }))
}

// end answers the reports whose outcomes it has recorded. One that the database refuses it finds by halves, and leaves to go
// on alone. A lock that is held for long is not worth a search: then each goes on alone.
func (r *Recorder) end(ctx context.Context, reports []*report) {
	if len(reports) == 1 {
		return
	}
	outcomes := make([]Outcome, len(reports))
	for i, report := range reports {
		outcomes[i] = report.Request
	}
	began := time.Now()
	ended, at, err := endRunning(ctx, r.db, outcomes, lockPatience)
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		if IsRefusal(err) {
			r.end(ctx, reports[:len(reports)/2])
			r.end(ctx, reports[len(reports)/2:])
			return
		}
		if isLocked(pg) {
			return
		}
	}
	var freed []uuid.UUID
	for i, report := range reports {
		if err == nil && ended[i] {
			freed = append(freed, outcomes[i].ExecutionID)
		}
		if err != nil || ended[i] {
			report.Reply(err == nil, Wrap(err, "record outcome"))
		}
	}
	r.freed(freed, began, at)
}
