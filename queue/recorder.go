package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Recorder records outcomes that come at the same time by one statement (see gatherer). It is safe for concurrent use and
// needs no closing.
type Recorder struct {
	queue    *Queue
	outcomes gatherer[Outcome, bool]
}

type report = call[Outcome, bool]

// NewRecorder returns a recorder for the executions of a queue.
func NewRecorder(q *Queue) *Recorder {
	r := &Recorder{queue: q}
	r.outcomes = gatherer[Outcome, bool]{
		doing: "record outcome", patience: defaultPatience,
		room:  1, // two of half the size cost Postgres a fifth more
		size:  func(o Outcome) int { return len(o.Output) + len(o.Error) },
		alone: q.RecordOutcome, together: r.together,
	}
	return r
}

// Record is Queue.RecordOutcome, to the same answer, for many at a time. When ctx ends first, the outcome may or may not
// have been recorded.
func (r *Recorder) Record(ctx context.Context, o Outcome) (bool, error) { return r.outcomes.do(ctx, o) }

// together records in the order in which everybody locks executions, and of each execution one outcome: another finds out
// alone.
func (r *Recorder) together(ctx context.Context, reports []*report) {
	id := func(one *report) uuid.UUID { return one.request.ExecutionID }
	r.end(ctx, slices.CompactFunc(inOrder(reports, id), func(a, b *report) bool { return id(a) == id(b) }))
}

// end answers those whose outcomes it has recorded. Whose data cannot be stored it finds by halves: that one goes on alone
// in the end. Who holds a lock for long is not worth a search: then each goes on alone.
func (r *Recorder) end(ctx context.Context, reports []*report) {
	if len(reports) == 1 {
		return
	}
	outcomes := make([]Outcome, len(reports))
	for i, report := range reports {
		outcomes[i] = report.request
	}
	ended, err := r.queue.endExecutions(ctx, outcomes)
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		if isDataException(pg) {
			r.end(ctx, reports[:len(reports)/2])
			r.end(ctx, reports[len(reports)/2:])
			return
		}
		if isLocked(pg) {
			return
		}
	}
	for i, report := range reports {
		if err != nil || ended[i] {
			report.reply(err == nil, wrap(err, "record outcome"))
		}
	}
}
