package keep

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/estimate"
	"sluice/internal/store"
	"sluice/internal/store/estimates"
	"sluice/schema"
)

func setup(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	_, err := pool.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func ids(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) []uuid.UUID {
	t.Helper()
	list, err := store.Values[uuid.UUID](t.Context(), pool, sql, args...)
	require.NoError(t, err)
	return list
}

// fill gives a workspace of two slots executions that have taken ten seconds each, two that have run for five by now, and so many that wait,
// the oldest first.
func fill(t testing.TB, pool *pgxpool.Pool, limit, ended, held, pending int) (workspace uuid.UUID, waiting []uuid.UUID) {
	t.Helper()
	workspace = ids(t, pool, `INSERT INTO sluice.workspaces (name, plan, max_concurrent_workflows) VALUES ('acme', 'STARTER', $1) RETURNING id`, limit)[0]
	exec(t, pool, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
		SELECT gen_random_uuid(), $1, 'Order', 'q', 'COMPLETED', 3, 0, t.at, t.at, t.at, t.at, t.at + interval '10 s', 'x', 'shop'
		FROM generate_series(1, $2) AS n CROSS JOIN LATERAL (SELECT now() - interval '15 s' - (n / 2) * interval '10 s' AS at) AS t`, workspace, ended)
	exec(t, pool, `INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), $1, 'Order', 'q', 3, 0, 1, now(), now(), now() - interval '5 s', now(), 'x', 'shop' FROM generate_series(1, $2)`, workspace, held)
	waiting = ids(t, pool, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, priority, available_at, enqueued_by)
		SELECT sluice.uuid_v7(), $1, 'Order', 'q', 3, now() - interval '2 minutes' + n * interval '1 s', 'shop' FROM generate_series(1, $2) AS n ORDER BY n RETURNING id`, workspace, pending)
	return workspace, waiting
}

func starts(t testing.TB, pool *pgxpool.Pool, items ...uuid.UUID) map[uuid.UUID]estimates.Start {
	t.Helper()
	list, err := estimates.Starts(t.Context(), pool, items)
	require.NoError(t, err)
	require.Len(t, list, len(items))
	return list
}

func TestItemsStartInTheOrderOfTheirLineAsSlotsAreFreed(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	now := time.Now()
	_, waiting := fill(t, pool, 2, 80, 2, 60)
	require.Equal(t, "not-estimated", starts(t, pool, waiting[0])[waiting[0]].Why)
	require.NoError(t, Now(t.Context(), pool))
	list, took := starts(t, pool, waiting...), time.Since(now)
	for n, id := range waiting {
		s := list[id]
		require.Empty(t, s.Why)
		want := now.Add(5*time.Second + time.Duration(n/2)*10*time.Second)
		slack := took + 2*time.Second + time.Duration(n)*300*time.Millisecond // what durations drift
		require.WithinRange(t, want, s.After.Add(-slack), s.Before.Add(slack), "place %d", n+1)
		require.LessOrEqual(t, s.Before.Sub(*s.After), took+15*time.Second+time.Duration(n)*2*time.Second)
	}
	require.True(t, list[waiting[0]].Before.Before(*list[waiting[30]].After))
}

// Items that were enqueued together are due at the same time. They start one after the other all the same.
func TestItemsThatWereEnqueuedTogetherStartOneAfterTheOther(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	now := time.Now()
	workspace, _ := fill(t, pool, 2, 80, 2, 0)
	waiting := ids(t, pool, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, priority, available_at, enqueued_by)
		SELECT gen_random_uuid(), $1, 'Order', 'q', 3, now() - interval '1 minute', 'shop' FROM generate_series(1, 60) AS n RETURNING id`, workspace)
	slices.SortFunc(waiting, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	require.NoError(t, Now(t.Context(), pool))
	list, took := starts(t, pool, waiting...), time.Since(now)
	for n, id := range waiting {
		want := now.Add(5*time.Second + time.Duration(n/2)*10*time.Second)
		slack := took + 3*time.Second + time.Duration(n)*time.Second // up to the next place that is known
		require.WithinRange(t, want, list[id].After.Add(-slack), list[id].Before.Add(slack), "place %d", n+1)
	}
}

func TestWhereNothingCanBeSaidTheReasonIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit, ended, held int
		change             string
		why                string
	}{
		"no-durations": {limit: 2},
		"no-capacity":  {limit: 0, ended: 20},
		"no quota and nothing to borrow": {limit: 2, ended: 20, why: "no-capacity",
			change: `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 0, borrowing_limit = 0 WHERE id = $1`},
		"no quota in a cohort that has none": {limit: 2, ended: 20, why: "no-capacity", change: `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 0 WHERE id = $1`},
		"no limit of all":                    {limit: 2, ended: 20, why: "no-capacity", change: `UPDATE sluice.settings SET max_concurrent_workflows = 0 WHERE $1::uuid IS NOT NULL`},
		"unserved":                           {limit: 2, ended: 20, held: 2, change: `UPDATE sluice.running SET unserved_since = now() WHERE workspace_id = $1`},
		"paused":                             {limit: 2, ended: 20, held: 2, change: `INSERT INTO sluice.pauses (workspace_id, actor) VALUES ($1, 'ann')`},
		"paused type":                        {limit: 2, ended: 20, held: 2, change: `INSERT INTO sluice.pauses (workspace_id, workflow_type, actor) VALUES ($1, 'Order', 'ann')`, why: "paused"},
		"scheduled":                          {limit: 2, ended: 20, held: 2, change: `UPDATE sluice.pending SET available_at = now() + interval '3 hours' WHERE workspace_id = $1`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := setup(t)
			workspace, waiting := fill(t, pool, c.limit, c.ended, c.held, 20)
			if c.change != "" {
				exec(t, pool, c.change, workspace)
			}
			if c.why == "" {
				c.why = name
			}
			require.NoError(t, Now(t.Context(), pool))
			for _, s := range starts(t, pool, waiting...) {
				require.Equal(t, c.why, s.Why)
				require.Nil(t, s.After)
				require.Nil(t, s.Before)
			}
		})
	}
}

// Estimates that were made while the clock was a day ahead tell of tomorrow. Once it is right they are made anew, and those that nobody needs are gone.
func TestWhatWasEstimatedWhileTheClockWasAheadIsMadeAnew(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	_, waiting := fill(t, pool, 2, 80, 2, 20)
	require.NoError(t, Now(t.Context(), pool))
	exec(t, pool, `UPDATE sluice.estimation SET began_at = began_at + interval '1 day'`)
	exec(t, pool, `UPDATE sluice.estimates SET made_at = made_at + interval '1 day',
		start_after = ARRAY(SELECT a + interval '1 day' FROM unnest(start_after) AS a), start_before = ARRAY(SELECT b + interval '1 day' FROM unnest(start_before) AS b)`)
	exec(t, pool, `INSERT INTO sluice.estimates (workspace_id, made_at, due, id, start_after, start_before) VALUES (gen_random_uuid(), now() + interval '1 day', '{}', '{}', '{}', '{}')`)
	require.NoError(t, Now(t.Context(), pool))
	s := starts(t, pool, waiting[0])[waiting[0]]
	require.Empty(t, s.Why)
	require.WithinDuration(t, time.Now(), *s.EstimatedAt, time.Hour)
	require.WithinDuration(t, time.Now(), *s.Before, time.Hour)
	require.Empty(t, ids(t, pool, `SELECT workspace_id FROM sluice.estimates WHERE made_at > now() + interval '1 hour'`))
}

// Of many who look at the same time one works it out, and the figures are left alone for a while after that.
func TestWhoLooksTogetherHasItMadeOnce(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	_, waiting := fill(t, pool, 2, 20, 2, 20)
	k := New(pool, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	for range 8 {
		go func() {
			k.Look(t.Context())
			done <- struct{}{}
		}()
	}
	for range 8 {
		<-done
	}
	atRest := func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.busy == nil }
	require.Eventually(t, func() bool { return atRest() && starts(t, pool, waiting[0])[waiting[0]].EstimatedAt != nil }, time.Minute, 10*time.Millisecond)
	made := starts(t, pool, waiting[0])[waiting[0]].EstimatedAt
	require.NoError(t, Make(t.Context(), pool, time.Hour, 1))
	require.Equal(t, made, starts(t, pool, waiting[0])[waiting[0]].EstimatedAt)
	exec(t, pool, `UPDATE sluice.estimation SET began_at = '-infinity'`)
	require.NoError(t, Make(t.Context(), pool, time.Hour, 1))
	require.True(t, starts(t, pool, waiting[0])[waiting[0]].EstimatedAt.After(*made))
	require.Eventually(t, atRest, time.Minute, 10*time.Millisecond)
}

// BenchmarkMake is the cost with 2,000 workspaces that have 200,000 items waiting and hold 10,000 slots.
func BenchmarkMake(b *testing.B) {
	pool := setup(b)
	for _, sql := range []string{
		`INSERT INTO sluice.workspaces (name, plan) SELECT 'workspace ' || n, 'STARTER' FROM generate_series(1, 2000) AS n`,
		`INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), w.id, 'Order', 'q', 'COMPLETED', 3, 0, t.at, t.at, t.at, t.at, t.at + random() * interval '20 s', 'x', 'shop'
			FROM sluice.workspaces w CROSS JOIN generate_series(1, 20) AS n CROSS JOIN LATERAL (SELECT now() - interval '30 s' - n * interval '20 s' AS at) AS t`,
		`INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
			SELECT sluice.uuid_v7(), w.id, 'Order', 'q', 3, 0, 1, now(), now(), now() - random() * interval '10 s', now(), 'x', 'shop' FROM sluice.workspaces w CROSS JOIN generate_series(1, 5)`,
		`INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, priority, available_at, enqueued_by)
			SELECT sluice.uuid_v7(), w.id, 'Order', 'q', 3, now() - random() * interval '10 minutes', 'shop' FROM generate_series(1, 100) AS n CROSS JOIN sluice.workspaces w`,
		`ANALYZE`,
	} {
		exec(b, pool, sql)
	}
	for _, limit := range []any{nil, 3000} {
		name := "each by itself"
		if limit != nil {
			name = "with a limit of all"
		}
		b.Run(name, func(b *testing.B) {
			exec(b, pool, `UPDATE sluice.settings SET max_concurrent_workflows = $1::int`, limit)
			var reading, playing, used time.Duration
			for b.Loop() {
				began := time.Now()
				s, _, err := read(b.Context(), pool)
				require.NoError(b, err)
				read := time.Now()
				before := processor(b)
				curves := estimate.Curves(s)
				used += processor(b) - before
				reading, playing = reading+read.Sub(began), playing+time.Since(read)
				said := 0
				for _, c := range curves {
					if c.Why == "" {
						said++
					}
				}
				b.ReportMetric(float64(said), "told")
			}
			b.ReportMetric(float64(reading.Milliseconds())/float64(b.N), "ms-read/op")
			b.ReportMetric(float64(playing.Milliseconds())/float64(b.N), "ms-play/op")
			b.ReportMetric(float64(used.Milliseconds())/float64(b.N), "ms-cpu/op")
			began := time.Now()
			exec(b, pool, `UPDATE sluice.estimation SET began_at = '-infinity'`)
			require.NoError(b, Now(b.Context(), pool))
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-all")
		})
	}
}

// processor is how much time of the processors the test has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
