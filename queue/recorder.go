package queue

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
)

// Recorder records outcomes that come at the same time by one statement: while one is under way others gather, and the
// next takes all of them. Whoever comes when none is under way waits for nobody. It is safe for concurrent use and needs
// no closing: when nobody waits, nothing runs.
type Recorder struct {
	queue *Queue

	mu       sync.Mutex // guards what follows, and the callers of a flush
	waiting  []*report
	flushing bool // one at a time: two of half the size cost Postgres a fifth more
}

// NewRecorder returns a recorder for the executions of a queue.
func NewRecorder(q *Queue) *Recorder { return &Recorder{queue: q} }

// What one statement takes at most: so many outcomes, and so many bytes of output and error, unless one alone has more.
const (
	maxFlushed      = 256
	maxFlushedBytes = 4 << 20
)

// report is an outcome and the caller who waits for its answer.
type report struct {
	Outcome
	answer chan answer // has room for it
	flush  *flush      // nil: not under way yet
}

type answer struct {
	recorded bool
	err      error
	alone    bool // the shared statement could not tell; the caller finds out by itself
}

// flush is a statement that some callers share. It ends early when none of them waits any more.
type flush struct {
	callers int
	cancel  context.CancelFunc
}

// Record is Queue.RecordOutcome, to the same answer, for many at a time. When ctx ends first, the outcome may or may not
// have been recorded.
func (r *Recorder) Record(ctx context.Context, o Outcome) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, wrap(err, "record outcome")
	}
	mine := &report{Outcome: o, answer: make(chan answer, 1)}
	r.join(mine)
	select {
	case a := <-mine.answer:
		if a.alone {
			return r.queue.RecordOutcome(ctx, o)
		}
		return a.recorded, a.err
	case <-ctx.Done():
		r.leave(mine)
		return false, wrap(ctx.Err(), "record outcome")
	}
}

func (r *Recorder) join(one *report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, one)
	if !r.flushing {
		r.flushing = true
		go r.flushAll()
	}
}

// leave gives up waiting, without harm to those who share the statement.
func (r *Recorder) leave(one *report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if one.flush == nil {
		r.waiting = slices.DeleteFunc(r.waiting, func(w *report) bool { return w == one })
		return
	}
	if one.flush.callers--; one.flush.callers == 0 {
		one.flush.cancel()
	}
}

// flushAll flushes until nobody waits.
func (r *Recorder) flushAll() {
	for {
		runtime.Gosched() // whoever is about to join does so first; alone, this returns at once
		ctx, cancel := context.WithCancel(context.Background())
		batch := r.take(cancel)
		if len(batch) > 0 {
			r.flush(ctx, batch)
		}
		cancel()
		if len(batch) == 0 {
			return
		}
	}
}

// take begins a flush with those who have waited longest, in the order in which everybody locks executions. Of two
// outcomes of the same execution it takes the first; the other is for the next flush.
func (r *Recorder) take(cancel context.CancelFunc) (batch []*report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begun, size := &flush{cancel: cancel}, 0
	taken := make(map[uuid.UUID]bool, min(len(r.waiting), maxFlushed))
	left := r.waiting[:0]
	for _, w := range r.waiting {
		bigger := size + len(w.Output) + len(w.Error)
		if len(batch) == maxFlushed || taken[w.ExecutionID] || len(batch) > 0 && bigger > maxFlushedBytes {
			left = append(left, w)
			continue
		}
		taken[w.ExecutionID], size, w.flush = true, bigger, begun
		batch = append(batch, w)
	}
	clear(r.waiting[len(left):])
	r.waiting = left
	begun.callers = len(batch)
	r.flushing = len(batch) > 0
	slices.SortFunc(batch, func(a, b *report) int { return bytes.Compare(a.ExecutionID[:], b.ExecutionID[:]) })
	return batch
}

// flush answers each of the batch. Whose data cannot be stored it finds by halves: that one is recorded by itself in
// the end, and the others together. Who holds a lock for long is not worth a search: then each waits for itself.
func (r *Recorder) flush(ctx context.Context, batch []*report) {
	if len(batch) == 1 {
		recorded, err := r.queue.RecordOutcome(ctx, batch[0].Outcome)
		batch[0].answer <- answer{recorded: recorded, err: err}
		return
	}
	outcomes := make([]Outcome, len(batch))
	for i, b := range batch {
		outcomes[i] = b.Outcome
	}
	ended, err := r.queue.endExecutions(ctx, outcomes)
	pg, locked := (*pgconn.PgError)(nil), false
	if errors.As(err, &pg) {
		if isDataException(pg) {
			r.flush(ctx, batch[:len(batch)/2])
			r.flush(ctx, batch[len(batch)/2:])
			return
		}
		locked = isLocked(pg)
	}
	for i, b := range batch {
		switch {
		case locked, err == nil && !ended[i]:
			b.answer <- answer{alone: true}
		default:
			b.answer <- answer{recorded: err == nil, err: wrap(err, "record outcome")}
		}
	}
}
