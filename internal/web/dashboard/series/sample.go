package series

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/admission"
	"sluice/internal/store"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
)

// mostStuck is how many executions are named that no worker carries on.
const mostStuck = 5

// read is what one sample reads.
type read struct {
	took     time.Duration
	mark     figures.Mark
	usages   []figures.Usage
	waits    map[uuid.UUID]facts.WorkspaceWait
	tiers    []figures.Tier
	workers  []figures.Worker
	running  []figures.Execution // that have just started
	ended    []figures.Execution // that have just ended
	failing  []facts.Failing     // one at most
	stuck    []facts.UnservedExecution
	missing  []facts.MissingType
	before   *before // nil: somebody has looked lately, and running and ended go on from there
	statuses []Dispatcher
}

// sample takes a snapshot.
func (w *Watch) sample(ctx context.Context) (*Snapshot, error) {
	asked := make(chan []Dispatcher, 1)
	go func() { asked <- w.ask(ctx) }()
	began := time.Now()
	r, err := w.read(ctx)
	r.took = time.Since(began)
	r.statuses = <-asked
	if err != nil {
		return nil, err
	}
	w.planOf = map[uuid.UUID]string{}
	for i := range r.usages {
		w.planOf[r.usages[i].ID] = r.usages[i].Plan
	}
	if r.before != nil {
		w.begin(r)
	} else {
		since, plan := w.mark.Now.Add(-again), func(id uuid.UUID) string { return w.planOf[id] }
		w.history.add(r.running, since, plan)
		w.history.add(r.ended, since, plan)
		w.history.hold(w.mark.Now, r.mark.Now)
	}
	w.mark = r.mark
	w.history.prune(r.mark.Now)
	return w.snapshot(r), nil
}

// read asks the database, by one batch in one transaction: all is as it was at one moment.
func (w *Watch) read(ctx context.Context) (r read, err error) {
	goesOn := w.mark.Mark != "" && time.Since(w.last().at) <= gap
	err = pgx.BeginTxFunc(ctx, w.pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		figures.QueueMark(b, &r.mark)
		figures.QueueUsages(b, &r.usages)
		waits := facts.QueueWorkspaceWaits(b)
		figures.QueueTiers(b, &r.tiers)
		figures.QueueWorkers(b, &r.workers)
		facts.QueueRecoveryFailing(b, &r.failing)
		facts.QueueUnserved(b, &r.stuck, mostStuck)
		facts.QueueMissingTypes(b, &r.missing)
		if goesOn {
			since := w.mark.Now.Add(-again)
			figures.QueueStartedSince(b, &r.running, since)
			figures.QueueEndedAfter(b, &r.ended, w.mark, since)
		}
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return store.Wrap(err, "read how everything is")
		}
		r.waits = waits()
		if !goesOn || r.mark.Now.Sub(w.mark.Now) > gap { // by the clock of the database, too
			r.before = past(ctx, tx, r.mark.Now)
		}
		return nil
	})
	return r, err
}

// before is what happened in the window before a sample, as it is on record.
type before struct {
	from    time.Time // since when it is all there
	ended   []figures.Execution
	running []figures.Execution
	waiting []figures.Arrived
}

// past reads what has happened in the window before now, in the transaction of the sample: nothing happens between the two. Where that
// takes too long the history begins now.
func past(ctx context.Context, tx pgx.Tx, now time.Time) *before {
	b := &before{from: now.Add(-Window).Truncate(Step)}
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) { // a savepoint
		if err = figures.Hurry(ctx, tx, pastTimeout); err != nil {
			return err
		}
		if b.ended, err = figures.EndedSince(ctx, tx, b.from, mostPast); err != nil {
			return err
		}
		if len(b.ended) == mostPast {
			b.from = b.ended[mostPast-1].EndedAt.Truncate(Step).Add(Step)
		}
		if b.running, err = figures.StartedSince(ctx, tx, b.from); err != nil {
			return err
		}
		b.waiting, err = figures.ArrivedSince(ctx, tx, b.from, Step)
		return err
	})
	if err != nil {
		return &before{from: now}
	}
	return b
}

// begin begins the history anew with what was before.
func (w *Watch) begin(r read) {
	h, b := w.history, r.before
	h.forget()
	h.known = b.from
	plan := func(id uuid.UUID) string { return w.planOf[id] }
	h.add(b.ended, b.from, plan)
	h.add(b.running, b.from, plan)
	h.arrive(b.waiting)
	is := level{}
	for i := range r.usages {
		is.backlog, is.running = is.backlog+r.usages[i].Pending, is.running+r.usages[i].Running
	}
	h.workOut(r.mark.Now, is)
}

// snapshot puts together what was read.
func (w *Watch) snapshot(r read) *Snapshot {
	now := r.mark.Now
	s := &Snapshot{At: now, Took: r.took, Dispatchers: r.statuses, Workers: r.workers, Stuck: r.stuck, Missing: r.missing,
		Reasons: map[admission.Reason]int{}, Workspaces: make([]Workspace, len(r.usages))}
	if len(r.failing) > 0 {
		s.Failing = &r.failing[0]
	}
	starts, failed := map[uuid.UUID]int{}, map[uuid.UUID]int{}
	w.history.lately(now, RateOver, func(_ int, st *step) { addAll(starts, st.startsOf) })
	w.history.lately(now, Window, func(_ int, st *step) { addAll(failed, st.failedOf) })
	plans := map[string]*Plan{}
	for _, t := range r.tiers {
		s.Global = t.Global
		plans[t.Plan] = &Plan{Plan: t.Plan, Limit: t.Limit, StartsIn: make([]int, Steps)}
	}
	for i, u := range r.usages {
		wait := r.waits[u.ID]
		of := Workspace{Usage: u, Reason: wait.Reason, Longest: wait.Longest, Starts: starts[u.ID], Failed: failed[u.ID]}
		switch {
		case of.Reason == admission.Paused: // an operator's decision comes before what Sluice has found out
		case u.Pending > 0 && (of.Reason == "" || u.Unserved+u.Unanswered > 0) && paused(r.statuses, u.Shard):
			of.Reason = admission.Paused
		case u.Unserved > 0:
			of.Reason = "unserved"
		case u.Unanswered > 0:
			of.Reason = "start-unanswered"
		}
		s.Workspaces[i] = of
		s.count(of, plans[u.Plan])
	}
	for _, t := range r.tiers {
		p := plans[t.Plan]
		w.waitsOf(now, p)
		s.Plans = append(s.Plans, *p)
	}
	w.history.at(now).level = &level{s.Pending, s.Running, s.Longest, s.Reasons}
	s.Points = w.history.points(now)
	return s
}

func (s *Snapshot) count(w Workspace, p *Plan) {
	s.Pending, s.Running = s.Pending+w.Pending, s.Running+w.Running
	s.Unserved, s.Unanswered = s.Unserved+w.Unserved, s.Unanswered+w.Unanswered
	if w.Longest > s.Longest {
		s.Longest, s.LongestOf = w.Longest, w.ID
	}
	if w.Reason != "" {
		s.Reasons[w.Reason]++
	}
	if p == nil {
		return // a plan that has just been made
	}
	p.Workspaces++
	p.Pending, p.Running, p.Slots = p.Pending+w.Pending, p.Running+w.Running, p.Slots+w.Limit
	p.Starts += w.Starts
	p.Longest = max(p.Longest, w.Longest)
}

// waitsOf tells how long the starts of a plan waited, and when they were.
func (w *Watch) waitsOf(now time.Time, p *Plan) {
	all := waits{}
	w.history.lately(now, Window, func(place int, s *step) {
		p.StartsIn[place] = s.startsIn[p.Plan]
		all.merge(s.waits[p.Plan])
	})
	p.Waits, p.P50, p.P99 = all.count(), all.percentile(0.50), all.percentile(0.99)
}

func paused(all []Dispatcher, shard int) bool {
	for _, d := range all {
		if d.Shard == shard && d.Status != nil {
			return d.Status.Pause != nil
		}
	}
	return false
}

func addAll(to, from map[uuid.UUID]int) {
	for id, n := range from {
		to[id] += n
	}
}
