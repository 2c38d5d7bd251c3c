package dispatch_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

// put writes a pending row by hand, as a restored dump does, and tells nobody.
func (w *world) put(id uuid.UUID, change string) uuid.UUID {
	w.t.Helper()
	w.exec(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input) VALUES ($1, $2, $3, 'hand', '{}')`, id, w.workspace, w.definition)
	if change != "" {
		w.exec(`UPDATE sluice.pending SET `+change+` WHERE id = $1`, id)
	}
	return id
}

// anew is another process, which loads everything.
func (w *world) anew() *process {
	w.t.Helper()
	p := w.newProcess()
	p.run = w.run
	return p
}

func TestItemThatHoldsASlotAlreadyDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other, definition := w.newWorkspace("STARTER")
	first := w.enqueue()
	require.Equal(t, []uuid.UUID{first}, w.cycle(10))
	for name, p := range map[string]*process{"one that claimed it": w.process, "one that has loaded it": w.anew()} {
		w.put(first, "")
		same, another := w.enqueue(), w.enqueueFor(other, definition, 3)
		p.hear()
		var claimed []uuid.UUID
		require.Eventually(t, func() bool {
			claimed = append(claimed, p.cycle(10)...)
			return one[int](w, `SELECT count(*) FROM sluice.pending`) == 0
		}, 30*time.Second, 10*time.Millisecond, name)
		require.Subset(t, claimed, []uuid.UUID{same, another}, name)
		require.Equal(t, "dropped duplicate", one[string](w, `SELECT action || ' ' || reason FROM sluice.activity WHERE queue_id = $1 AND actor = 'dispatcher' AND action = 'dropped' LIMIT 1`, first), "it is visible")
		w.exec(`DELETE FROM sluice.activity_log`)
	}
}

// The row names another workspace, whose dispatcher does not know who holds the slot.
func TestItemThatHoldsASlotElsewhereDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var ids []uuid.UUID
	for range 4 {
		ids = append(ids, w.enqueue())
	}
	require.Equal(t, 4, w.plan(100).Items) // and now two of them come to be held without the cache's knowing
	w.exec(`INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
		SELECT id, gen_random_uuid(), workflow_definition_id, 3, 0, 0, now(), now(), now(), now(), 'X', 'x' FROM sluice.pending WHERE id = ANY ($1)`, []uuid.UUID{ids[1], ids[3]})
	claimed := w.claim()
	require.Equal(t, 2, claimed.New)
	require.ElementsMatch(t, []uuid.UUID{ids[0], ids[2]}, w.begin())
	require.Zero(t, one[int](w, `SELECT count(*) FROM sluice.pending`))
	require.Equal(t, 2, one[int](w, `SELECT count(*) FROM sluice.activity_log WHERE action = 'dropped'`))
	w.enqueueN(4)
	require.Len(t, w.cycle(100), starterLimit-2, "what it knows of turns and slots is right")
}

func TestItemThatTheDatabaseDoesNotLetBeClaimedDelaysNoOther(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`ALTER TABLE sluice.running ADD CHECK (enqueued_by <> 'hand')`)
	bad := w.put(uuid.Must(uuid.NewV7()), "")
	good := w.enqueueN(3)
	require.ElementsMatch(t, good, w.anew().cycle(100))
	require.Contains(t, one[string](w, `SELECT error FROM sluice.queue_items WHERE id = $1 AND status = 'PENDING' AND attempt_count = 1`, bad), "claim-refused: ")
	for range 2 {
		w.exec(`UPDATE sluice.pending SET available_at = now() WHERE id = $1`, bad)
		require.NotContains(t, w.anew().cycle(100), bad)
	}
	require.Contains(t, one[string](w, `SELECT error FROM sluice.queue_items WHERE id = $1 AND status = 'FAILED'`, bad), "claim-refused: ")
}

func TestTimesThatCannotBeCountedWithDelayNoOther(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.exec(`ALTER TABLE sluice.pending DROP CONSTRAINT pending_times`) // as they were before there was one
	for _, change := range []string{
		"available_at = 'infinity'", "available_at = '294276-12-31'", "available_at = 'infinity', priority = 1", "created_at = 'infinity'", "expires_at = 'infinity'",
		"available_at = '-infinity'", "available_at = '4000-01-01 BC'",
	} {
		w.put(uuid.Must(uuid.NewV7()), change)
	}
	other, definition := w.newWorkspace("STARTER")
	good := w.enqueueFor(other, definition, 3)
	p := w.anew()
	require.Contains(t, p.cycle(100), good)
	w.put(uuid.Must(uuid.NewV7()), "available_at = 'infinity'")
	require.Positive(t, p.plan(100).DueIn)
	w.exec(`DELETE FROM sluice.pending WHERE available_at < now()`)
	require.Greater(t, w.anew().plan(100).DueIn, time.Hour, "it rests")
	require.Equal(t, 4, one[int](w, `SELECT count(*) FROM sluice.pending`))
}

func TestPendingRowsWithoutAnEndAreRefused(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, column := range []string{"created_at", "available_at", "expires_at"} {
		_, err := w.app.Exec(t.Context(), `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input, `+column+`) VALUES (gen_random_uuid(), $1, $2, 'hand', '{}', 'infinity')`, w.workspace, w.definition)
		require.ErrorContains(t, err, "pending_times")
	}
}

// Whatever stands in an event, what comes after it is heard.
func TestEventsThatNobodyCanHaveMeantAreGotOver(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, event := range []string{
		`(workspace_id) SELECT id FROM sluice.workspaces`, // no item, no priority
		`(workspace_id, item_id, priority, available_at) SELECT id, gen_random_uuid(), 3, 'infinity' FROM sluice.workspaces`,
		`(workspace_id, item_id, priority, available_at) SELECT id, gen_random_uuid(), 3, '-infinity' FROM sluice.workspaces`,
		`(workspaces, available_at) SELECT array_agg(id), 'infinity' FROM sluice.workspaces`,
		`(workspaces, available_at) SELECT array_agg(id), NULL FROM sluice.workspaces`,
		`(workspaces) VALUES (ARRAY[NULL]::uuid[])`,
		`(freed) VALUES (ARRAY[NULL, gen_random_uuid()]::uuid[])`,
		`(freed) VALUES (ARRAY[ARRAY[gen_random_uuid()], ARRAY[gen_random_uuid()]])`,
		`(freed) SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 20000)`,
		`(workspaces) SELECT array_agg(gen_random_uuid()) FROM generate_series(1, 20000)`,
		`(xid, workspace_id) SELECT '1', id FROM sluice.workspaces`,
		`(xid, workspace_id) SELECT '9223372036854775807', id FROM sluice.workspaces`,
		`(workspace_id, item_id, priority, available_at) VALUES (gen_random_uuid(), gen_random_uuid(), 3, now())`,
	} {
		w.hear()
		w.exec(`INSERT INTO sluice.events ` + event)
		id := w.enqueue()
		require.Eventually(t, func() bool { return len(w.cycle(10)) == 1 }, patience, time.Millisecond, event)
		w.end(id)
	}
}

// A dump brings along events whose transaction ids this cluster has not come to.
func TestEventsFromTheFutureAreNotHeardAndGo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(10)
	w.exec(`INSERT INTO sluice.events (xid, workspace_id) SELECT (pg_snapshot_xmax(pg_current_snapshot())::text::bigint + n)::text::xid8, $1 FROM generate_series(100000, 100050) n`, w.workspace)
	w.hear() // the insert's own transaction
	for range 5 {
		yes, err := w.Watch(t.Context(), time.Now().Add(30*time.Millisecond))
		require.NoError(t, err)
		require.False(t, yes, "there is nothing new")
	}
	pruned, err := store.PruneEvents(t.Context(), w.app, 20*time.Minute, 1000)
	require.NoError(t, err)
	require.EqualValues(t, 51, pruned)
	w.enqueue()
	require.Eventually(t, func() bool { return len(w.cycle(10)) == 1 }, patience, time.Millisecond)
}

// Behind the same address leads another cluster now, from a dump, which has not come to the transactions of the one before.
func TestAClusterThatIsYoungerIsHeardAtOnce(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.plan(10)
	for range 2 {
		w.HeardIn("9223372036854775807:9223372036854775807:")
		id := w.enqueue()
		yes, err := w.Watch(t.Context(), time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.True(t, yes)
		require.Equal(t, []uuid.UUID{id}, w.cycle(10), "it is not left to the sweep")
		w.end(id)
		w.hear()
		w.plan(10)
	}
	for range 3 {
		yes, err := w.Watch(t.Context(), time.Now().Add(30*time.Millisecond))
		require.NoError(t, err)
		require.False(t, yes, "and then it rests")
	}
}

func TestVirtualTimesOfWhateverSizeKeepTheOthersGoing(t *testing.T) {
	t.Parallel()
	for _, value := range []int64{math.MaxInt64, math.MinInt64} {
		w := setup(t)
		other, definition := w.newWorkspace("STARTER")
		w.exec(`INSERT INTO sluice.virtual_times (workspace_id, own, borrowed) VALUES ($1, $2, $2)`, w.workspace, value)
		w.exec(`INSERT INTO sluice.clocks (shard, cohort, own_clock, borrowed_clock, own, borrowed) VALUES (0, '', $1, $1, $1, $1)`, value)
		w.enqueueN(4)
		for range 4 {
			w.enqueueFor(other, definition, 3)
		}
		got, p := 0, w.anew()
		for range 4 { // two at a time, so there is contention
			got += len(p.cycle(2))
		}
		require.Equal(t, 8, got)
		require.Equal(t, []int{4, 4}, []int{
			one[int](w, `SELECT count(*) FROM sluice.running WHERE workspace_id = $1`, w.workspace), one[int](w, `SELECT count(*) FROM sluice.running WHERE workspace_id = $1`, other)})
	}
}

func TestARateWaitsOneIntervalAfterAClockThatWasAhead(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for _, at := range []string{"now() + interval '1 day'", "'infinity'", "'294276-01-01'"} {
		for _, tokens := range []string{"0", "'NaN'", "'-Infinity'", "-1e300"} {
			w.exec(`UPDATE sluice.workspaces SET starts_per_second = 20, burst = 1 WHERE id = $1`, w.workspace)
			w.exec(`INSERT INTO sluice.virtual_times (workspace_id, tokens, tokens_at) VALUES ($1, `+tokens+`, `+at+`)
				ON CONFLICT (workspace_id) DO UPDATE SET tokens = excluded.tokens, tokens_at = excluded.tokens_at`, w.workspace)
			id := w.enqueue()
			p := w.anew()
			require.LessOrEqual(t, p.plan(10).DueIn, 50*time.Millisecond)
			require.Eventually(t, func() bool { p.hear(); return len(p.cycle(10)) == 1 }, patience, 5*time.Millisecond, "%s at %s", tokens, at)
			require.True(t, one[bool](w, `SELECT tokens_at <= now() FROM sluice.virtual_times`))
			w.end(id)
		}
	}
}

func TestWhatWasEnqueuedByAClockThatWasAheadIsClaimed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	id := w.enqueue()
	w.exec(`UPDATE sluice.pending SET created_at = now() + interval '1 day', available_at = now() + interval '1 day'`)
	w.exec(`UPDATE sluice.events SET at = now() + interval '1 day', available_at = now() + interval '1 day'`)
	require.Zero(t, w.plan(10).Items)
	w.ClockWasAhead(24 * time.Hour)
	w.hear()
	require.Equal(t, []uuid.UUID{id}, w.cycle(10))
	w.exec(`UPDATE sluice.running SET start_error = 'no answer', start_error_since = now() + interval '1 day', start_again_at = now() + interval '1 day'`)
	require.Equal(t, []uuid.UUID{id}, w.anew().begin())
}

// No sequence has to follow a switchover: each begins again.
func TestSequencesThatBeginAgainBreakNoLimit(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for range 3 {
		w.enqueueN(starterLimit)
		w.end(w.cycle(100)...)
		w.hear()
	}
	rows, err := w.app.Query(t.Context(), `SELECT format('ALTER SEQUENCE %s RESTART', c.oid::regclass) FROM pg_class c WHERE c.relkind = 'S' AND c.relnamespace = 'sluice'::regnamespace`)
	require.NoError(t, err)
	var restarts []string
	for rows.Next() {
		var sql string
		require.NoError(t, rows.Scan(&sql))
		restarts = append(restarts, sql)
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, restarts, "there are some, but nothing rests on them")
	for _, sql := range restarts {
		w.exec(sql)
	}
	w.enqueueN(3 * starterLimit)
	for _, p := range []*process{w.process, w.anew(), w.process} {
		p.hear()
		p.cycle(100)
		require.LessOrEqual(t, w.running(), starterLimit)
	}
	require.Equal(t, starterLimit, w.running())
	for limit := range 5 { // each is written down, in order
		w.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = $1 WHERE id = $2`, limit+1, w.workspace)
	}
	require.Equal(t, 5, one[int](w, `SELECT count(*) FROM sluice.limit_changes WHERE action = 'limits-changed'`))
}

// An operator has emptied the journal.
func TestAJournalThatIsAnotherIsFoundOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(3)
	require.Len(t, w.cycle(1), 1)
	for _, sql := range []string{
		`DELETE FROM sluice.turns WHERE shard = 0`, `TRUNCATE sluice.turns`,
	} {
		w.exec(sql)
		require.Eventually(t, func() bool { return len(w.cycle(1)) == 1 }, patience, time.Millisecond, sql)
	}
}

// Somebody has changed a limit, and sleeps before the commit.
func TestATurnThatSomebodyHoldsIsNamed(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.enqueueN(2)
	require.Equal(t, 2, w.plan(10).Items)
	tx, err := w.app.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(t.Context()) }()
	for _, sql := range []string{`SET LOCAL application_name = 'psql of ann'`, `UPDATE sluice.workspaces SET max_concurrent_workflows = 2`, `SET CONSTRAINTS ALL IMMEDIATE`} {
		_, err = tx.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	var pid int
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid))
	began := time.Now()
	_, err = w.Claim(t.Context(), w.run)
	require.ErrorIs(t, err, store.ErrHeld)
	require.ErrorContains(t, err, "process "+strconv.Itoa(pid)+" (psql of ann")
	require.ErrorContains(t, err, "idle in transaction")
	require.Less(t, time.Since(began), 2*9*time.Second, "the dispatcher's step does not end before 9 s, or twice that on a machine that is busy with other tests")
	_, err = store.TakeOver(t.Context(), w.pool, 0, "another run", 0)
	require.ErrorIs(t, err, store.ErrHeld)
	_, err = w.app.Exec(t.Context(), `UPDATE sluice.tiers SET max_concurrent_workflows = 3 WHERE plan = 'STARTER'`)
	require.ErrorContains(t, err, "process "+strconv.Itoa(pid))
	require.NoError(t, tx.Commit(t.Context()))
	require.Eventually(t, func() bool { return len(w.cycle(10)) == 2 }, patience, time.Millisecond)
}
