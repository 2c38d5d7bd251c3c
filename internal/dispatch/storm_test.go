package dispatch_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store"
	"sluice/internal/store/facts"
)

// storm is two processes that both do the steps of the same run and now and then lose the answer to a claim, while
// applications commit late and cancel, an operator cuts limits, pauses and resumes, and recovery gives slots back to executions.
type storm struct {
	*world
	t          *testing.T
	workspaces []uuid.UUID
	defs       []uuid.UUID
	started    sync.Map // executions that were handed to a start
	toRun      chan uuid.UUID
	enqueued   atomic.Int64
	cancelled  atomic.Int64
	claims     atomic.Int64
	fenced     atomic.Int64
}

const (
	stormLimit = 3
	stormFirst = 10 // workspaces whose limit stays, and which regain no slots
)

// No workspace holds more than its limit, a cut one never grows above it, and each item is run once.
func TestNoLimitIsExceededAndNoItemLostInAStorm(t *testing.T) {
	t.Parallel()
	s := &storm{world: setup(t), t: t, toRun: make(chan uuid.UUID, 10_000)}
	s.exec(`INSERT INTO sluice.tiers (plan, max_concurrent_workflows) VALUES ('STORM', $1)`, stormLimit)
	for range 20 {
		ws, d := s.newWorkspace("STORM")
		s.workspaces, s.defs = append(s.workspaces, ws), append(s.defs, d)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work, load sync.WaitGroup
	for _, p := range []*process{s.process, s.newProcess()} {
		work.Go(func() { s.dispatch(ctx, p) })
	}
	for range 8 {
		work.Go(func() { s.execute(ctx) })
	}
	work.Go(func() { s.audit(ctx) })
	began := time.Now()
	goesOn := func() bool { // until the processes have met, which on a busy machine may take longer
		took := time.Since(began)
		return took < stormFor() || s.fenced.Load() == 0 && took < patience
	}
	for range 6 {
		load.Go(func() { s.apply(goesOn) })
	}
	load.Go(func() { s.operate(goesOn) })
	load.Go(func() { s.hold(goesOn) })
	load.Wait()
	s.exec(`DELETE FROM sluice.pauses`)
	s.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = NULL`)
	require.Eventually(t, func() bool {
		return one[int](s.world, `SELECT (SELECT count(*) FROM sluice.pending) + (SELECT count(*) FROM sluice.running)`) == 0
	}, 5*patience, 50*time.Millisecond, "items are left waiting or running")
	stop()
	work.Wait()
	done := one[int64](s.world, `SELECT count(*) FROM sluice.ended WHERE reason IS NULL`)
	t.Logf("%d enqueued, %d cancelled, %d run, %d claims, %d of them overtaken", s.enqueued.Load(), s.cancelled.Load(), done, s.claims.Load(), s.fenced.Load())
	require.Equal(t, s.enqueued.Load(), done+s.cancelled.Load())
	require.Positive(t, s.fenced.Load(), "the processes have not met")
	paused, err := facts.CheckPauses(t.Context(), s.app, time.Time{}, 10)
	require.NoError(t, err)
	require.Positive(t, paused.Checked)
	require.Empty(t, paused.First, "of %d claims", paused.Checked)
}

// stormFor is short for every run of the tests; the chaos run is long.
func stormFor() time.Duration { return 6 * time.Second }

func (s *storm) dispatch(ctx context.Context, p *process) {
	for ctx.Err() == nil {
		outlook, err := p.Plan(ctx, p.run, 10)
		if err == nil && outlook.Items > 0 {
			claiming, cancel := context.WithCancel(ctx)
			if rand.IntN(20) == 0 { // the answer is lost, whether or not it has happened
				time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
			}
			claimed, claimErr := p.Claim(claiming, p.run)
			cancel()
			s.claims.Add(1)
			if claimErr == nil && claimed.New == 0 {
				s.fenced.Add(1)
			}
		}
		executions, err := p.Begin(ctx, p.run, 1000)
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
				s.t.Errorf("begin: %v", err)
			}
			continue
		}
		var started []store.Started
		for _, x := range executions {
			started = append(started, store.Started{ExecutionID: x.ID, RunID: "r"})
			if _, before := s.started.LoadOrStore(x.ID, true); !before {
				s.toRun <- x.ID
			}
		}
		if err := store.Settle(ctx, p.pool, started); err != nil && ctx.Err() == nil {
			s.t.Errorf("settle: %v", err)
		}
		if len(executions) == 0 {
			_, _ = p.Watch(ctx, time.Now().Add(5*time.Millisecond))
		}
	}
}

func (s *storm) execute(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-s.toRun:
			began := time.Now()
			ended, err := store.RecordOutcome(ctx, s.app, store.Outcome{ExecutionID: id, RunID: "r", Status: "COMPLETED"})
			if ctx.Err() == nil && (err != nil || !ended) {
				s.t.Errorf("end %s: %v %v", id, ended, err)
			}
			if rand.IntN(2) == 0 {
				s.engines.Freed([]uuid.UUID{id}, began, time.Time{})
			}
		}
	}
}

func (s *storm) apply(goesOn func() bool) {
	for n := rand.IntN(1000); goesOn(); n++ {
		which := n % len(s.workspaces)
		err := pgx.BeginFunc(s.t.Context(), s.app, func(tx pgx.Tx) error {
			for range 1 + rand.IntN(3) {
				sql, what := `SELECT sluice.enqueue($1, $2, '{}', $3)`, any(s.defs[which])
				if rand.IntN(2) == 0 {
					sql, what = `SELECT sluice.enqueue_workflow($1, $2, priority => $3)`, []string{"Ship", "Pay"}[rand.IntN(2)]
				}
				if _, err := tx.Exec(s.t.Context(), sql, s.workspaces[which], what, 1+rand.IntN(5)); err != nil {
					return err
				}
				s.enqueued.Add(1)
			}
			if rand.IntN(10) == 0 { // it commits late
				_, err := tx.Exec(s.t.Context(), `SELECT pg_sleep($1)`, rand.Float64()*0.3)
				return err
			}
			return nil
		})
		if err != nil {
			s.t.Errorf("enqueue: %v", err)
		}
		if rand.IntN(4) == 0 {
			id := s.enqueueFor(s.workspaces[which], s.defs[which], 3)
			s.enqueued.Add(1)
			ended, err := store.EndPending(s.t.Context(), s.app, []uuid.UUID{id}, store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
			if err != nil {
				s.t.Errorf("cancel: %v", err)
			}
			s.cancelled.Add(int64(len(ended)))
		}
	}
}

// hold pauses and resumes: everything, a workspace, a definition, a type, until it is resumed or for a moment.
func (s *storm) hold(goesOn func() bool) {
	office := admin.New(s.app)
	for goesOn() {
		which := rand.IntN(len(s.workspaces))
		scope := []admin.Scope{
			{}, {WorkspaceID: s.workspaces[which]}, {DefinitionID: s.defs[which]}, {WorkflowType: "Ship"}, {WorkspaceID: s.workspaces[which], WorkflowType: "Pay"},
		}[rand.IntN(5)]
		term := admin.Term{For: time.Duration(rand.IntN(100)) * time.Millisecond}
		if _, err := office.Pause(s.t.Context(), scope, term, "ann", "storm"); err != nil {
			s.t.Errorf("pause: %v", err)
		}
		if term.For == 0 || rand.IntN(2) == 0 {
			if _, err := office.Resume(s.t.Context(), scope, "ann", ""); err != nil {
				s.t.Errorf("resume: %v", err)
			}
		}
	}
}

// operate changes the limits of the last five workspaces, and resets executions of the five before.
func (s *storm) operate(goesOn func() bool) {
	for goesOn() {
		s.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = $2 WHERE id = $1`, s.workspaces[15+rand.IntN(5)], rand.IntN(stormLimit+1))
		var id uuid.UUID
		err := s.app.QueryRow(s.t.Context(), `SELECT id FROM sluice.ended WHERE workspace_id = $1 AND reason IS NULL ORDER BY random() LIMIT 1`,
			s.workspaces[stormFirst+rand.IntN(5)]).Scan(&id)
		if err == nil {
			reopened, err := store.Reopen(s.t.Context(), s.app, store.Run{ExecutionID: id, RunID: uuid.NewString()})
			if err != nil {
				s.t.Errorf("reopen: %v", err)
			}
			if reopened {
				s.toRun <- id
			}
		}
	}
}

// audit looks at one snapshot after the other.
func (s *storm) audit(ctx context.Context) {
	before, turns := map[uuid.UUID]int{}, map[uuid.UUID]int{}
	for ctx.Err() == nil {
		rows, err := s.app.Query(ctx, `
			SELECT q.workspace_id, q.ceiling, (SELECT count(*) FROM sluice.running r WHERE r.workspace_id = q.workspace_id),
			       (SELECT count(*) FROM sluice.turns t WHERE t.kind IN ('limits', 'regained') AND t.workspace_id = q.workspace_id)
			FROM sluice.quotas q WHERE q.plan = 'STORM'`)
		if err != nil {
			return
		}
		var id uuid.UUID
		var ceiling, held, changes int
		_, _ = pgx.ForEachRow(rows, []any{&id, &ceiling, &held, &changes}, func() error {
			grew := held > before[id] && turns[id] == changes
			if held > ceiling && grew {
				s.t.Errorf("workspace %s grew from %d to %d slots of %d", id, before[id], held, ceiling)
			}
			before[id], turns[id] = held, changes
			return nil
		})
	}
}
