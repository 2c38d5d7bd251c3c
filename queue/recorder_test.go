package queue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// reports are outcomes that are being recorded at the same time.
type reports struct {
	recorder *queue.Recorder
	answers  []chan reported
}

type reported struct {
	yes bool
	err error
}

// record reports an outcome in the background, and returns its place.
func (r *reports) record(ctx context.Context, o queue.Outcome) int {
	answer := make(chan reported, 1)
	r.answers = append(r.answers, answer)
	go func() {
		yes, err := r.recorder.Record(ctx, o)
		answer <- reported{yes, err}
	}()
	return len(r.answers) - 1
}

func (r *reports) answer(t *testing.T, place int) reported {
	t.Helper()
	select {
	case a := <-r.answers[place]:
		return a
	case <-time.After(20 * time.Second):
		require.FailNow(t, "no answer", "report %d", place)
		return reported{}
	}
}

// gathered waits until so many wait for the statement that is under way.
func (r *reports) gathered(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return r.recorder.Gathered() == n }, 10*time.Second, time.Millisecond)
}

// running claims and dispatches n new executions.
func (b *bundle) running(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	b.setLimit(t, "STARTER", 10_000)
	_, err := b.app.EnqueueMany(t.Context(), items(b.item(), n))
	require.NoError(t, err)
	b.openEpoch(t, "run")
	b.fence.Cycle++
	_, err = b.dispatcher.Claim(t.Context(), b.fence, []queue.Grant{{WorkspaceID: b.workspace, Slots: n, Limit: 10_000}})
	require.NoError(t, err)
	_, claims, err := b.dispatcher.BeginDispatch(t.Context(), b.fence, n)
	require.NoError(t, err)
	require.Len(t, claims, n)
	ids := make([]uuid.UUID, n)
	for i, c := range claims {
		ids[i] = c.ExecutionID
	}
	b.dispatch(t, ids...)
	return ids
}

// lock holds an execution until the transaction ends.
func (b *bundle) lock(t *testing.T, id uuid.UUID) pgx.Tx {
	t.Helper()
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.workflow_executions WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	return tx
}

func completed(id uuid.UUID) queue.Outcome {
	return queue.Outcome{ExecutionID: id, RunID: "run-" + id.String(), Status: "COMPLETED"}
}

// busy returns reports of which the first waits for a row, so that the others gather; release lets it go on.
func (b *bundle) busy(t *testing.T, id uuid.UUID) (r *reports, release func()) {
	t.Helper()
	tx := b.lock(t, id)
	r = &reports{recorder: queue.NewRecorder(b.dispatcher)}
	r.recorder.SetPatience(time.Hour)
	r.record(t.Context(), completed(id))
	b.awaitLockWait(t)
	return r, func() { require.NoError(t, tx.Commit(t.Context())) }
}

func TestOutcomesThatComeTogetherShareStatements(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const n = 600
	ids := b.running(t, n+1)
	mark := b.mark(t)
	r, release := b.busy(t, ids[n])
	for i, id := range ids[:n] {
		o := completed(id)
		o.Output = json.RawMessage(fmt.Sprintf(`{"place": %d}`, i))
		r.record(t.Context(), o)
	}
	r.gathered(t, n)
	release()
	for place := range n + 1 {
		require.Equal(t, reported{yes: true}, r.answer(t, place))
	}
	require.Empty(t, b.held(t))
	b.checkInvariants(t)
	for i, id := range ids[:n] {
		got := b.view(t, id)
		require.Equal(t, "COMPLETED", *got.ExecutionStatus)
		require.Equal(t, "run-"+id.String(), *got.EngineRunID)
		require.JSONEq(t, fmt.Sprintf(`{"place": %d}`, i), string(got.Output), "to each its own")
	}
	bells := list[int](t, b.pool, `SELECT count(*) FROM sluice.doorbell WHERE xid >= pg_snapshot_xmax($1::text::pg_snapshot) GROUP BY xid`, string(mark))
	require.Equal(t, []int{1, 1, 1, 1}, bells, "the one that was under way, 256, 256 and the rest: one bell of each for the workspace")
}

// What is alike for the statement is not for its callers.
func TestEachCallerGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 9)
	require.True(t, b.end(t, ids[1], "FAILED"))
	requeued, claimed := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	b.fence.Cycle++
	_, err := b.dispatcher.Claim(t.Context(), b.fence, []queue.Grant{{WorkspaceID: b.workspace, Slots: 2, Limit: 10_000}})
	require.NoError(t, err)
	require.Equal(t, queue.Requeued{Pending: 1}, b.requeue(t, 3, failedStart(requeued)))
	refused := b.enqueue(t, b.item())
	cancel(t, b, refused)

	r, release := b.busy(t, ids[0])
	bad := completed(ids[3])
	bad.Output = json.RawMessage(`{"a": "\u0000"}`)
	worse := completed(ids[4])
	worse.Error = json.RawMessage("{\"a\": \"\xff\"}")
	second := completed(ids[5])
	second.Status = "FAILED"
	places := map[string]int{}
	for _, one := range []struct {
		name string
		queue.Outcome
	}{
		{"plain", completed(ids[2])}, {"ended before", completed(ids[1])}, {"requeued", completed(requeued)}, {"claimed", completed(claimed)},
		{"unknown", completed(uuid.New())}, {"refused", completed(refused)}, {"bad output", bad}, {"bad error", worse},
		{"first", completed(ids[5])}, {"second", second}, {"another", completed(ids[6])},
	} {
		before := r.recorder.Gathered()
		places[one.name] = r.record(t.Context(), one.Outcome)
		r.gathered(t, before+1)
	}
	release()
	for _, name := range []string{"plain", "requeued", "claimed", "bad output", "bad error", "another"} {
		require.Equal(t, reported{yes: true}, r.answer(t, places[name]), name)
	}
	require.Equal(t, reported{}, r.answer(t, places["ended before"]))
	kept := map[bool]string{true: "COMPLETED", false: "FAILED"}[r.answer(t, places["first"]).yes]
	require.Equal(t, reported{yes: kept == "FAILED"}, r.answer(t, places["second"]), "one of two")
	for _, name := range []string{"unknown", "refused"} {
		require.ErrorIs(t, r.answer(t, places[name]).err, queue.ErrUnknownItem, name)
	}
	require.Equal(t, reported{yes: true}, r.answer(t, 0))
	require.Equal(t, "FAILED", *b.view(t, ids[1]).ExecutionStatus, "the first outcome stays")
	require.Equal(t, kept, *b.view(t, ids[5]).ExecutionStatus, "also within a statement")
	require.NotNil(t, b.view(t, claimed).DispatchedAt)
	for _, id := range []uuid.UUID{ids[3], ids[4]} {
		require.Contains(t, string(b.view(t, id).ExecutionError), "could not be stored")
	}
	require.Nil(t, b.view(t, ids[6]).ExecutionError, "what others put out is not its fault")
	require.ElementsMatch(t, ids[7:], b.held(t))
	b.checkInvariants(t)
}

// Somebody's forgotten transaction holds up the outcome it is about, and no other.
func TestALockedExecutionHoldsUpItselfOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 6)
	r, release := b.busy(t, ids[0])
	tx := b.lock(t, ids[3])
	places := map[uuid.UUID]int{}
	for _, id := range ids[1:] {
		places[id] = r.record(t.Context(), completed(id))
	}
	r.gathered(t, 5)
	release()
	for _, id := range ids[1:] {
		if id != ids[3] {
			require.True(t, r.answer(t, places[id]).yes)
		}
	}
	require.Equal(t, []uuid.UUID{ids[3]}, b.held(t))
	require.NoError(t, tx.Commit(t.Context()))
	require.True(t, r.answer(t, places[ids[3]]).yes)
	b.checkInvariants(t)
}

// A transaction that goes the other way round makes a circle. The outcomes get out of it, whoever is chosen to break it.
func TestADeadlockCostsNoOutcome(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 5)
	slices.SortFunc(ids, func(x, y uuid.UUID) int { return slices.Compare(x[:], y[:]) })
	r, release := b.busy(t, ids[0])
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	// It finds the circle before the outcomes run out of patience, or gives up after them.
	_, err = tx.Exec(t.Context(), `SET LOCAL deadlock_timeout = '50ms'`)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.workflow_executions WHERE id = $1 FOR UPDATE`, ids[3])
	require.NoError(t, err)
	for _, id := range ids[1:] {
		r.record(t.Context(), completed(id))
	}
	r.gathered(t, 4)
	release()
	b.awaitLockWait(t) // they have locked what comes before it
	_, err = tx.Exec(t.Context(), `SELECT FROM sluice.workflow_executions WHERE id = $1 FOR UPDATE`, ids[1])
	if err == nil {
		require.NoError(t, tx.Commit(t.Context()))
	} else {
		require.ErrorContains(t, err, "deadlock")
		require.NoError(t, tx.Rollback(t.Context()))
	}
	for place := range ids {
		require.Equal(t, reported{yes: true}, r.answer(t, place))
	}
	b.checkInvariants(t)
}

func TestEveryCallerLearnsThatPostgresIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.running(t, 20)
	r, release := b.busy(t, ids[0])
	tx := b.lock(t, ids[7])
	for _, id := range ids[1:] {
		r.record(t.Context(), completed(id))
	}
	r.gathered(t, len(ids)-1)
	release()
	require.True(t, r.answer(t, 0).yes)
	b.awaitLockWait(t)
	b.exec(t, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	for place := 1; place < len(ids); place++ {
		a := r.answer(t, place)
		require.ErrorContains(t, a.err, "record outcome")
		require.False(t, a.yes)
	}
	require.ElementsMatch(t, ids[1:], b.held(t))
	require.NoError(t, tx.Rollback(t.Context()))
	for _, id := range ids[1:] {
		yes, err := r.recorder.Record(t.Context(), completed(id))
		require.NoError(t, err)
		require.True(t, yes, "and records it when it is back")
	}
	b.checkInvariants(t)
}

// Everybody who writes to executions and slots at once: starts are settled and fail, outcomes come before and after,
// each twice, and reconciliation notes what it has seen. Nobody deadlocks, and every outcome is recorded once.
func TestOutcomesAmongAllOthersWhoWrite(t *testing.T) {
	t.Parallel()
	const rounds, n = 8, 60
	b := setup(t)
	b.setLimit(t, "STARTER", n)
	b.openEpoch(t, "run")
	recorders := []*queue.Recorder{queue.NewRecorder(b.dispatcher), queue.NewRecorder(b.dispatcher)} // of two workers
	for range rounds {
		_, err := b.app.EnqueueMany(t.Context(), items(b.item(), n))
		require.NoError(t, err)
		b.fence.Cycle++
		_, err = b.dispatcher.Claim(t.Context(), b.fence, []queue.Grant{{WorkspaceID: b.workspace, Slots: n, Limit: n}})
		require.NoError(t, err)
		ids := b.held(t)
		require.Len(t, ids, n)
		shuffled := func() []uuid.UUID {
			mixed := slices.Clone(ids)
			rand.Shuffle(n, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
			return mixed
		}
		var group errgroup.Group
		recorded := make(chan uuid.UUID, 2*n)
		for _, recorder := range recorders {
			for _, id := range shuffled() {
				group.Go(func() error {
					yes, err := recorder.Record(t.Context(), completed(id))
					if yes {
						recorded <- id
					}
					return err
				})
			}
		}
		some, others, all := shuffled()[:n/2], shuffled()[:n/4], shuffled()
		group.Go(func() error {
			started := make([]queue.Started, len(some))
			for i, id := range some {
				started[i] = queue.Started{ExecutionID: id, RunID: "r"}
			}
			return b.dispatcher.Settle(t.Context(), started)
		})
		group.Go(func() error {
			failed := make([]queue.FailedStart, len(others))
			for i, id := range others {
				failed[i] = failedStart(id)
			}
			_, err := b.dispatcher.Requeue(t.Context(), b.fence, failed, queue.RetryPolicy{MaxAttempts: 9, Backoff: time.Hour, MaxBackoff: time.Hour})
			return err
		})
		group.Go(func() error {
			_, err := b.dispatcher.Checked(t.Context(), all, nil)
			return err
		})
		require.NoError(t, group.Wait())
		close(recorded)
		var once []uuid.UUID
		for id := range recorded {
			once = append(once, id)
		}
		require.ElementsMatch(t, ids, once)
		require.Empty(t, b.held(t))
	}
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.executions WHERE duration_ms < 0`))
	b.checkInvariants(t)
}

// The lookups of a batch stay lookups, whatever the planner believed when it first saw the tables.
func TestAFewExecutionsAreFoundAmongManyByTheirIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	config := b.dispatcher.Pool().Config()
	config.MaxConns = 1 // the plans of one connection
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b.dispatcher = queue.New(pool)
	b.exec(t, `ALTER TABLE sluice.workflow_executions SET (autovacuum_enabled = off); ALTER TABLE sluice.slots SET (autovacuum_enabled = off)`)
	b.exec(t, `VACUUM ANALYZE sluice.workflow_executions, sluice.slots`)
	cycle := func(n int) {
		ids := b.running(t, n)
		r := &reports{recorder: queue.NewRecorder(b.dispatcher)}
		for _, id := range ids {
			r.record(t.Context(), completed(id))
		}
		for place := range ids {
			require.True(t, r.answer(t, place).yes)
		}
	}
	for range 8 { // a plan is kept after five uses
		cycle(3)
	}
	b.exec(t, `INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
			available_at, claimed_at, dispatched_at, completed_at, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), $1, $2, 'COMPLETED', 3, 0, now(), now(), now(), now(), now(), 'FUNCTION', 'x' FROM generate_series(1, 20000)`,
		b.workspace, b.definition)
	read := func() int {
		return one[int](t, b.pool, `SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0)::int FROM pg_stat_user_tables WHERE relname = 'workflow_executions'`)
	}
	before := read()
	cycle(20)
	pool.Reset() // the statistics of a session are complete when it ends
	require.Eventually(t, func() bool { return read() > before }, 20*time.Second, 10*time.Millisecond)
	require.Less(t, read()-before, 5000)
}
