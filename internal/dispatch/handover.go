package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"sluice/internal/store"
)

// Execution is a claim that is to be started.
type Execution struct {
	store.Execution
	Graph json.RawMessage // of a definition; nil: it, or the version, is gone
	// Claimed is when this process has asked for the claim, by the wall clock. Zero: it has been read, and a start may have been asked for
	// before. Long ago: this process has stalled or been busy, and another may have done that meanwhile.
	Claimed time.Time
}

// waiting is what is known of the claims that are not started: those that the last claims took, to be handed to the dispatch
// that follows. Whatever else there may be, because another process has claimed or because a dispatch went wrong, is read
// from Postgres.
type waiting struct {
	executions []Execution
	doubtful   bool      // there may be others
	again      time.Time // when there are others, whose starts have got no answer; zero: there are none
}

// unsure tells whether Postgres has to be asked what there is.
func (w *waiting) unsure() bool {
	return w.doubtful || !w.again.IsZero() && !time.Now().Before(w.again)
}

// dueIn is how long until others are due; zero when there are none.
func (w *waiting) dueIn() time.Duration {
	if w.again.IsZero() {
		return 0
	}
	return max(time.Until(w.again), time.Millisecond)
}

// count is how many executions a dispatch would find, or 1 where that is not known.
func (w *waiting) count() int {
	if w.unsure() {
		return max(1, len(w.executions))
	}
	return len(w.executions)
}

func (w *waiting) add(p *pick, item store.Claimed, asked time.Time) {
	x := store.Execution{
		ID: item.ID, WorkspaceID: p.of.view.ID, DefinitionID: p.definition, Input: item.Input, Priority: int(p.priority) + 1, Attempt: item.Attempt,
		Workflow: item.Workflow,
	}
	if p.of.plan != "" {
		name, plan, weight := p.of.name, p.of.plan, p.of.view.Weight
		x.WorkspaceName, x.Plan, x.Weight = &name, &plan, &weight
	}
	if d, ok := p.of.versions[p.definition]; ok {
		x.DefinitionName = &d.Name
		if d.VersionID != uuid.Nil {
			x.VersionID, x.VersionNumber = &d.VersionID, &d.Version
		}
	}
	w.executions = append(w.executions, Execution{Execution: x, Claimed: asked})
}

// Begin hands over what is claimed and not started, at most so many. Normally that is what the last claims took. Where there may
// be others it first takes a turn: a process that made these claims and believes that they failed to start can then no longer
// undo them. store.ErrFenced says that another run owns the shard.
func (e *Engine) Begin(ctx context.Context, run int64, most int) ([]Execution, error) {
	defer e.lock()()
	if e.cache.known && e.cache.run == run && !e.waiting.unsure() {
		executions := e.waiting.executions
		e.waiting.executions = nil
		return executions, e.fill(ctx, executions)
	}
	for tried := int64(-1); ; {
		e.putBack()
		if err := e.upToDate(ctx, run, 1); err != nil {
			return nil, err
		}
		if e.cache.turn == tried { // the turn was taken, and the journal does not tell by whom: it is another
			e.cache.known, tried = false, -1
			continue
		}
		release, err := e.insist(ctx, func() error { return e.upToDate(ctx, run, 1) })
		if err != nil {
			return nil, err
		}
		tried = e.cache.turn
		taken, err := store.TakeTurn(ctx, e.pool, e.shard, e.cache.turn+1, store.TurnHandover)
		release()
		if err != nil {
			e.cache.known = e.cache.known && errors.Is(err, store.ErrHeld)
			return nil, err
		}
		if taken {
			e.cache.turn++
			break
		}
		e.tried(false)
	}
	read, err := store.Undispatched(ctx, e.pool, e.shard, most)
	if err != nil {
		return nil, err
	}
	next, err := store.Again(ctx, e.pool, e.shard)
	if err != nil {
		return nil, err
	}
	executions := make([]Execution, len(read))
	for i := range read {
		executions[i].Execution = read[i]
		if read[i].Aside {
			next = sooner(next, lookAgain)
		}
	}
	e.waiting = waiting{doubtful: len(read) == most && !read[most-1].Aside}
	if next > 0 {
		e.waiting.again = time.Now().Add(next)
	}
	return executions, e.fill(ctx, executions)
}

// lookAgain is after how long it is looked what has become of starts that had got no answer before, and when they are due again:
// they are not waited for.
const lookAgain = 6 * time.Second

func (e *Engine) fill(ctx context.Context, executions []Execution) error {
	err := e.engines.workflows.fill(ctx, e.pool, executions)
	if err != nil {
		e.waiting.doubtful = true
	}
	return err
}

// Doubt has the next Begin read from Postgres what is claimed and not started: something has gone wrong with a dispatch.
func (e *Engine) Doubt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.waiting.doubtful = true
}

// Recheck is Doubt, and ends a wait.
func (e *Engine) Recheck() {
	e.Doubt()
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

// doubts tells whether there may be claims that are not started and that this process does not know of.
func (e *Engine) doubts() bool {
	defer e.lock()()
	return e.waiting.doubtful
}

// Requeued tells what became of failed starts.
type Requeued struct {
	Pending int // back in the queue, with backoff
	Failed  int // ended FAILED
}

// Requeue undoes claims whose start failed: their slots are free again, and the items go back to the queue or end FAILED. If
// another process has been at work meanwhile it does nothing, since that may have started them, and has the next Begin read
// what there is.
func (e *Engine) Requeue(ctx context.Context, run int64, failed []store.FailedStart, policy store.RetryPolicy) (r Requeued, err error) {
	defer e.lock()()
	e.putBack()
	if !e.cache.known || e.cache.run != run || len(failed) == 0 {
		e.waiting.doubtful = true
		return r, nil
	}
	release, err := e.insist(ctx, func() error { return e.hear(ctx, e.cache.in.Batch) })
	if err != nil {
		e.waiting.doubtful = true
		return r, err
	}
	defer release()
	if !e.cache.known || e.cache.run != run { // one of these turns was another process's
		e.waiting.doubtful = true
		return r, nil
	}
	n, err := e.requeue(ctx, failed, policy, &r)
	e.waiting.doubtful = e.waiting.doubtful || n < len(failed)
	return r, err
}

// requeue undoes claims in a turn, and returns how many. Where the database refuses one of them it finds it by halves. An item that
// it does not take back ends; one that it does not let end either stays claimed, and is tried again with the next.
func (e *Engine) requeue(ctx context.Context, failed []store.FailedStart, policy store.RetryPolicy, r *Requeued) (n int, err error) {
	undone, taken, err := store.Requeue(ctx, e.pool, e.shard, e.cache.turn+1, failed, policy)
	switch one := failed[0]; {
	case store.IsRefusal(err) && len(failed) > 1:
		half := len(failed) / 2
		first, err := e.requeue(ctx, failed[:half], policy, r)
		if err != nil || !e.cache.known {
			return first, err
		}
		second, err := e.requeue(ctx, failed[half:], policy, r)
		return first + second, err
	case store.IsRefusal(err) && !one.Permanent:
		one.Permanent, one.Error = true, one.Error+"; and it cannot be put back into the queue: "+err.Error()
		return e.requeue(ctx, []store.FailedStart{one}, policy, r)
	case store.IsRefusal(err):
		e.tell(one.ExecutionID, "a claim cannot be undone", "reason", one.Reason, "error", err)
		why := store.Unanswered{ExecutionID: one.ExecutionID, Error: one.Reason + ": " + one.Error + "; and it cannot be undone: " + err.Error(), Aside: true}
		_, err := store.PutAside(ctx, e.pool, []store.Unanswered{why})
		return 0, err
	case err != nil || !taken:
		if err == nil {
			e.tried(false)
		}
		e.cache.known = e.cache.known && (err == nil || errors.Is(err, store.ErrHeld))
		e.waiting.doubtful = true
		return 0, err
	}
	e.cache.turn++
	e.tried(true)
	for _, u := range undone {
		var w *workspace
		if h := e.cache.held[u.ID]; h != nil {
			w = h.of
		}
		e.cache.free(u.ID, false)
		if u.AvailableAt == nil {
			r.Failed++
			continue
		}
		r.Pending++
		if w != nil {
			w.cut(u.AvailableAt.UnixMicro())
			e.cache.touch(w)
		}
	}
	return len(undone), nil
}

// cut has all lines of a workspace read again from a time on.
func (w *workspace) cut(at int64) {
	for p := range w.lines {
		w.lines[p].cut(at)
	}
}

// hint says that an execution was recorded as ended in this process, by a statement that began at a time or later, and when by the database's clock.
type hint struct {
	id        uuid.UUID
	since, at time.Time
}

func (e *Engine) freed(executions []uuid.UUID, since, at time.Time) {
	e.hintMu.Lock()
	defer e.hintMu.Unlock()
	for _, id := range executions {
		e.hints = append(e.hints, hint{id, since, at})
	}
	e.hints = e.hints[max(0, len(e.hints)-mostHints):]
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

// mostHints are kept while nothing takes them.
const mostHints = 4096

// takeHints frees the slots of executions that this process has recorded as ended. One that was reset since may hold its slot
// again: a hint from before slots were last read says nothing.
func (e *Engine) takeHints() {
	e.hintMu.Lock()
	defer e.hintMu.Unlock()
	for _, h := range e.hints {
		if h.since.After(e.cache.read) {
			e.cache.pass(h.at) // it held its slot until then, and a dispatcher that waits hears once a second only
			e.cache.free(h.id, true)
		}
	}
	e.hints = e.hints[:0]
}
