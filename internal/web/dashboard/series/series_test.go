package series_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/admission"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/web/dashboard/series"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

type bundle struct {
	pool      *pgxpool.Pool
	workspace uuid.UUID // on STARTER, whose limit is 5
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	b := &bundle{pool: pool}
	b.workspace = b.ids(t, `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'STARTER') RETURNING id`)[0]
	return b
}

func (b *bundle) ids(t *testing.T, sql string, args ...any) []uuid.UUID {
	t.Helper()
	ids, err := store.Values[uuid.UUID](t.Context(), b.pool, sql, args...)
	require.NoError(t, err)
	return ids
}

// enqueue adds items that have been ready for so long.
func (b *bundle) enqueue(t *testing.T, n int, since time.Duration) []uuid.UUID {
	t.Helper()
	return b.ids(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, created_at, available_at, enqueued_by)
		SELECT sluice.uuid_v7(), $1, 'Order', 'q', now() - $3::interval, now() - $3::interval, 'shop' FROM generate_series(1, $2) RETURNING id`, b.workspace, n, since)
}

// start claims and starts items, so long ago.
func (b *bundle) start(t *testing.T, ago time.Duration, ids ...uuid.UUID) {
	t.Helper()
	b.ids(t, `WITH taken AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
		SELECT id, workspace_id, workflow_type, task_queue, priority, attempt_count, 1, created_at, available_at, clock_timestamp() - $2::interval, clock_timestamp() - $2::interval, trigger_type, enqueued_by
		FROM taken RETURNING id`, ids, ago)
}

// end ends executions with an event, as an outcome does.
func (b *bundle) end(t *testing.T, status string, ago time.Duration, ids ...uuid.UUID) {
	t.Helper()
	b.ids(t, `WITH gone AS (DELETE FROM sluice.running WHERE id = ANY ($1) RETURNING *), event AS (INSERT INTO sluice.events (freed, quiet) VALUES ($1, true))
		INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
		SELECT id, workspace_id, workflow_type, task_queue, $2, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, clock_timestamp() - $3::interval, trigger_type, enqueued_by, 'run'
		FROM gone RETURNING id`, ids, status, ago)
}

// asker is how the dispatcher is, and how often that was asked.
type asker struct {
	asked  atomic.Int32
	paused atomic.Bool
}

func (a *asker) ask(context.Context) []series.Dispatcher {
	a.asked.Add(1)
	status := &workflows.Status{}
	if a.paused.Load() {
		status.Pause = &workflows.Pause{Actor: "ann"}
	}
	return []series.Dispatcher{{Status: status}}
}

func look(t *testing.T, w *series.Watch) *series.Snapshot {
	t.Helper()
	w.Changed()
	s, err := w.Look(t.Context())
	require.NoError(t, err)
	return s
}

func total(s *series.Snapshot, of func(series.Point) int) (n int) {
	for _, p := range s.Points {
		n += of(p)
	}
	return n
}

func TestAllWhoLookAtOnceShareASample(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 5 {
		a := &asker{}
		w := series.New(b.pool, a.ask)
		var group sync.WaitGroup
		began := time.Now()
		for range 20 {
			group.Go(func() {
				s, err := w.Look(t.Context())
				if err != nil || len(s.Workspaces) != 1 {
					t.Error(s, err)
				}
			})
		}
		group.Wait()
		if a.asked.Load() == 1 || time.Since(began) < 2*time.Second {
			require.EqualValues(t, 1, a.asked.Load())
			break
		} // else the machine stood still for longer than a sample is fresh
	}
	require.Zero(t, b.pool.Stat().AcquiredConns(), "nothing goes on when nobody looks")
}

// Who needs little of it is content with an older one, unless something has been changed from here.
func TestAGlanceMayBeOlder(t *testing.T) {
	t.Parallel()
	b, a := setup(t), &asker{}
	w := series.New(b.pool, a.ask)
	first := look(t, w)
	require.Eventually(t, func() bool { return time.Since(first.At) > 3*time.Second }, time.Minute, 100*time.Millisecond)
	glanced, err := w.Glance(t.Context())
	require.NoError(t, err)
	if time.Since(first.At) < 10*time.Second { // or this machine has been away
		require.Same(t, first, glanced)
	}
	w.Changed()
	glanced, err = w.Glance(t.Context())
	require.NoError(t, err)
	require.NotSame(t, first, glanced)
	from := time.Now()
	require.WithinRange(t, first.Now(), from.Add(-time.Second), time.Now().Add(time.Second))
}

func TestOneWhoGivesUpBreaksNoSampleOff(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gone, leave := context.WithCancel(t.Context())
	w := series.New(b.pool, func(ctx context.Context) []series.Dispatcher {
		leave()
		return []series.Dispatcher{{Error: "no"}}
	})
	s, err := w.Look(gone)
	require.NoError(t, err)
	require.Equal(t, "no", s.Dispatchers[0].Error)
}

// What happens from one look to the next counts once, however often it is read.
func TestEachStartAndEndCountsOnce(t *testing.T) {
	t.Parallel()
	b, a := setup(t), &asker{}
	w := series.New(b.pool, a.ask)
	look(t, w)
	began := time.Now()
	ids := b.enqueue(t, 6, 30*time.Second)
	b.start(t, 0, ids[:3]...)
	s := look(t, w)
	require.Equal(t, 3, total(s, func(p series.Point) int { return p.Starts }))
	b.end(t, "COMPLETED", 0, ids[0])
	b.end(t, "FAILED", 0, ids[1])
	look(t, w)
	b.start(t, 0, ids[3])
	b.end(t, "TIMED_OUT", 0, ids[3]) // all of it between two looks
	look(t, w)
	s = look(t, w)
	require.Equal(t, 4, total(s, func(p series.Point) int { return p.Starts }))
	require.Equal(t, 3, total(s, func(p series.Point) int { return p.Ended }))
	require.Equal(t, 2, total(s, func(p series.Point) int { return p.Failed }))
	require.Equal(t, 2, s.Pending)
	require.Equal(t, 1, s.Running)
	acme, found := s.Find(b.workspace)
	require.True(t, found)
	require.Equal(t, 4, acme.Starts)
	require.Equal(t, 2, acme.Failed)
	starter := s.Plans[1]
	require.Equal(t, "STARTER", starter.Plan)
	require.Equal(t, 4, starter.Waits)
	require.InDelta(t, 30*time.Second, starter.P50, float64(1500*time.Millisecond+time.Since(began)))
	require.Equal(t, 5, starter.Slots)
}

// Who looks first sees what happened before: the same that one sees who has looked all the time.
func TestTheFirstLookKnowsWhatWas(t *testing.T) {
	t.Parallel()
	b, a := setup(t), &asker{}
	ids := b.enqueue(t, 10, 10*time.Minute)
	b.start(t, 8*time.Minute, ids[:5]...)
	b.end(t, "COMPLETED", 6*time.Minute, ids[:2]...)
	b.end(t, "FAILED", 4*time.Minute, ids[2])
	s := look(t, series.New(b.pool, a.ask))
	require.Equal(t, 5, total(s, func(p series.Point) int { return p.Starts }))
	require.Equal(t, 3, total(s, func(p series.Point) int { return p.Ended }))
	level := func(ago time.Duration) (backlog, running int) {
		p := s.Points[len(s.Points)-1-int(ago/series.Step)]
		require.True(t, p.Level && p.Known)
		require.False(t, p.Sampled && ago > 0, "why items waited is not on record")
		return p.Backlog, p.Running
	}
	for ago, want := range map[time.Duration][2]int{12 * time.Minute: {0, 0}, 9 * time.Minute: {10, 0}, 7 * time.Minute: {5, 5}, 5 * time.Minute: {5, 3}, 3 * time.Minute: {5, 2}, 0: {5, 2}} {
		backlog, running := level(ago)
		require.Equal(t, want, [2]int{backlog, running}, "%s ago", ago)
	}
}

func TestASnapshotSaysWhyWorkspacesWait(t *testing.T) {
	t.Parallel()
	b, a := setup(t), &asker{}
	w := series.New(b.pool, a.ask)
	ids := b.enqueue(t, 8, time.Minute)
	s := look(t, w)
	require.Empty(t, s.Reasons, "it could start")
	a.paused.Store(true)
	s = look(t, w)
	require.Equal(t, map[admission.Reason]int{admission.Paused: 1}, s.Reasons)
	require.NotNil(t, s.Paused())
	require.Equal(t, b.workspace, s.LongestOf)
	require.InDelta(t, time.Minute, s.Longest, float64(30*time.Second))
	b.start(t, 0, ids[:5]...)
	s = look(t, w)
	require.Equal(t, map[admission.Reason]int{admission.AtCapacity: 1}, s.Reasons, "its own limit comes first")
	last := s.Points[len(s.Points)-1]
	require.True(t, last.Sampled)
	require.Equal(t, s.Reasons, last.Reasons)
}

func TestADatabaseThatDoesNotAnswerIsAnError(t *testing.T) {
	t.Parallel()
	b, a := setup(t), &asker{}
	b.pool.Close()
	_, err := series.New(b.pool, a.ask).Look(t.Context())
	require.Error(t, err)
}

func TestAPauseComesBeforeWhatNoWorkerCarriesOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueue(t, 3, time.Minute)
	b.start(t, time.Minute, ids[:1]...)
	b.ids(t, `UPDATE sluice.running SET unserved_since = now() RETURNING id`)
	status := &workflows.Status{}
	reason := func() admission.Reason {
		s, err := series.New(b.pool, func(context.Context) []series.Dispatcher { return []series.Dispatcher{{Status: status}} }).Look(t.Context())
		require.NoError(t, err)
		return s.Workspaces[0].Reason
	}
	require.EqualValues(t, "unserved", reason())
	status.Pause = &workflows.Pause{Actor: "ann"}
	require.Equal(t, admission.Paused, reason())
	status.Pause = nil
	b.ids(t, `INSERT INTO sluice.pauses (workspace_id, actor) VALUES ($1, 'ann') RETURNING id`, b.workspace)
	require.Equal(t, admission.Paused, reason())
}
