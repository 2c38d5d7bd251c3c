package figures_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/store/figures"
)

func mark(t *testing.T, db store.DB) figures.Mark {
	t.Helper()
	m, err := read(db, figures.QueueMark)
	require.NoError(t, err)
	return m
}

// read sends a batch of one statement, and returns what that has read.
func read[T any](db store.DB, queue func(b *pgx.Batch, to *T)) (value T, err error) {
	b := &pgx.Batch{}
	queue(b, &value)
	return value, db.SendBatch(context.Background(), b).Close()
}

func endedAfter(db store.DB, after figures.Mark, since time.Time) ([]figures.Execution, error) {
	return read(db, func(b *pgx.Batch, to *[]figures.Execution) { figures.QueueEndedAfter(b, to, after, since) })
}

func idsOf(list []figures.Execution) (ids []uuid.UUID) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

// What ended in a transaction that was open at the look before, and what ended after it, is told; what ended before is not.
func TestALookTellsWhatHasEndedSinceTheLast(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme := workspace(t, pool, "acme")
	end := func(db store.DB) uuid.UUID {
		id := ended{workspace: acme, kind: "Order", status: "COMPLETED", waits: time.Second, by: time.Second}.insert(t, db)
		exec(t, db, `INSERT INTO sluice.events (freed, quiet) VALUES (ARRAY[$1::uuid], true)`, id)
		return id
	}
	end(pool)
	open, err := pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = open.Rollback(context.WithoutCancel(t.Context())) }()
	late := end(open)
	last := mark(t, pool)
	since := last.Now.Add(-time.Minute)
	none, err := endedAfter(pool, last, since)
	require.NoError(t, err)
	require.Empty(t, none)

	after := end(pool)
	require.NoError(t, open.Commit(t.Context()))
	told, err := endedAfter(pool, last, since)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{late, after}, idsOf(told))
	require.Equal(t, "Order", told[0].WorkflowType)
	require.Equal(t, time.Second, told[0].ClaimedAt.Sub(told[0].AvailableAt))
	none, err = endedAfter(pool, mark(t, pool), since)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestUsageCountsWhatEachWorkspaceHas(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme, idle := workspace(t, pool, "acme"), workspace(t, pool, "Aardvark")
	pend(t, pool, acme, 3, 0)
	pend(t, pool, acme, 1, time.Hour)
	exec(t, pool, `INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, unserved_since, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), $1, 'Order', 'q', 3, 0, 1, now(), now(), now(), now(), CASE WHEN n = 1 THEN now() END, 'x', 'shop' FROM generate_series(1, 2) AS n`, acme)
	list, err := read(pool, figures.QueueUsages)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, idle, list[0].ID, "by name, whatever its case")
	got := list[1]
	require.Equal(t, figures.Usage{ID: acme, Name: "acme", Plan: "STARTER", Limit: 5, Pending: 2, Running: 2, Unserved: 1}, got)
	started, err := figures.StartedSince(t.Context(), pool, time.Now().Add(-time.Minute))
	require.NoError(t, err)
	require.Len(t, started, 2)
	arrived, err := figures.ArrivedSince(t.Context(), pool, time.Now().Add(-time.Minute), 5*time.Second)
	require.NoError(t, err)
	n := 0
	for _, a := range arrived {
		n += a.N
	}
	require.Equal(t, 2, n)
}

func pend(t *testing.T, db store.DB, workspace uuid.UUID, priority int, in time.Duration) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, db, `INSERT INTO sluice.pending (id, workspace_id, workflow_type, task_queue, priority, available_at, enqueued_by, input)
		VALUES (sluice.uuid_v7(), $1, 'Order', 'q', $2, now() + $3::interval, 'shop', '{"args": []}') RETURNING id`, workspace, priority, in)
}

// Wherever one begins to read a line, it is in the order in which the items start.
func TestALineIsInTheOrderOfStarts(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme, other := workspace(t, pool, "acme"), workspace(t, pool, "other")
	for n := range 60 {
		pend(t, pool, acme, 1+n%5, -time.Duration(n*7919%1800)*time.Second)
		pend(t, pool, acme, 1+n%5, time.Duration(600+n*7919%1800)*time.Second)
		pend(t, pool, other, 3, 0)
	}
	want, err := store.Values[uuid.UUID](t.Context(), pool, `SELECT p.id FROM sluice.pending p CROSS JOIN sluice.settings s WHERE p.workspace_id = $1
		ORDER BY p.available_at > now(), CASE WHEN p.available_at <= now() THEN p.available_at + (p.priority - 1) * s.ageing_step ELSE p.available_at END, p.priority, p.id`, acme)
	require.NoError(t, err)
	for _, after := range []int{0, 7, 50, 58, 119} {
		line, err := figures.Line(t.Context(), pool, acme, after, 20)
		require.NoError(t, err)
		require.Len(t, line, min(20, 120-after))
		for i, item := range line {
			require.Equal(t, want[after+i], item.ID, "after %d, place %d", after, i)
			require.Equal(t, after+i >= 60, item.Scheduled)
			require.Equal(t, "Order", item.Kind)
		}
	}
}

func TestFailuresAreGroupedByHowWhatAndWhy(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme, other := workspace(t, pool, "acme"), workspace(t, pool, "other")
	for n := range 4 {
		ended{workspace: acme, kind: "Order", status: "FAILED", error: fmt.Sprintf("order %d of %q is gone\nat line 7", n, fmt.Sprint("customer ", n)), ago: time.Minute}.insert(t, pool)
	}
	ended{workspace: other, kind: "Order", status: "FAILED", error: `order 9 of "me" is gone`, ago: time.Minute}.insert(t, pool)
	ended{workspace: acme, kind: "Refund", status: "FAILED", error: "order 1 of \"x\" is gone", ago: time.Minute}.insert(t, pool)
	ended{workspace: acme, kind: "Order", status: "TIMED_OUT", ago: time.Minute}.insert(t, pool)
	ended{workspace: acme, kind: "Order", status: "FAILED", reason: "start-failed", error: "no", ago: time.Minute}.insert(t, pool)
	ended{workspace: acme, kind: "Order", status: "COMPLETED", ago: time.Minute}.insert(t, pool)
	ended{workspace: acme, kind: "Order", status: "FAILED", error: "long ago", ago: 3 * time.Hour}.insert(t, pool)
	long := ended{workspace: acme, kind: "Order", status: "FAILED", error: "it ran for days", ago: time.Minute, by: 3 * 24 * time.Hour}.insert(t, pool)

	groups, err := figures.Failures(t.Context(), pool, time.Now().Add(-time.Hour), uuid.Nil)
	require.NoError(t, err)
	require.Len(t, groups, 5)
	first := groups[0]
	require.Equal(t, 5, first.N)
	require.Equal(t, 2, first.Workspaces)
	require.Equal(t, "Order", first.Kind)
	require.Equal(t, `order 9 of "me" is gone`, first.Message, "the newest, its first line")
	require.Len(t, first.IDs, first.N)
	require.Len(t, first.At, 5)
	require.True(t, slices.ContainsFunc(groups, func(f figures.Failure) bool { return f.Reason == "start-failed" && f.N == 1 }))
	require.True(t, slices.ContainsFunc(groups, func(f figures.Failure) bool { return slices.Equal(f.IDs, []uuid.UUID{long}) }))
	groups, err = figures.Failures(t.Context(), pool, time.Now().Add(-time.Hour), other)
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.Equal(t, 1, groups[0].N)
}

// An outcome that is counted to the end does not make another, of which only the newest are counted, seem rarer than it is.
func TestKindsCountAllOutcomesFromTheSameTimeOn(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme := workspace(t, pool, "acme")
	exec(t, pool, `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
		SELECT (overlay(lpad(to_hex((extract(epoch FROM t.at) * 1000000)::bigint * 512 / 125), 15, '0') PLACING '7' FROM 13 FOR 0) || right(gen_random_uuid()::text, 17))::uuid,
			$1, 'Order', 'q', CASE WHEN n % 4 = 0 THEN 'FAILED' ELSE 'COMPLETED' END, 3, 0, t.at, t.at, t.at + interval '2 s', t.at + interval '2 s', t.at + interval '5 s', 'x', 'shop', 'run'
		FROM generate_series(1, 2000) AS n CROSS JOIN LATERAL (SELECT now() - interval '1 minute' - n * interval '1 s' AS at) AS t`, acme)
	kinds, err := figures.Kinds(t.Context(), pool, time.Now().Add(-24*time.Hour), "")
	require.NoError(t, err)
	require.Len(t, kinds, 1)
	require.Equal(t, figures.MostOfGroup, kinds[0].Ended-kinds[0].Failed)
	require.InDelta(t, 0.25, float64(kinds[0].Failed)/float64(kinds[0].Ended), 0.01)
	require.Equal(t, 3*time.Second, kinds[0].P50)
	require.Equal(t, 2*time.Second, kinds[0].Wait99)
}

func TestKindsTellDefinitionsOfOneNameApart(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	for _, name := range []string{"acme", "other"} {
		w := workspace(t, pool, name)
		d := one[uuid.UUID](t, pool, `INSERT INTO sluice.workflow_definitions (workspace_id, name) VALUES ($1, 'greet') RETURNING id`, w)
		exec(t, pool, `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, dispatched_at, trigger_type, enqueued_by)
			VALUES (sluice.uuid_v7(), $1, $2, 3, 0, 1, now(), now(), now(), now(), 'x', 'shop')`, w, d)
	}
	kinds, err := figures.Kinds(t.Context(), pool, time.Now().Add(-time.Hour), "")
	require.NoError(t, err)
	require.Len(t, kinds, 1)
	require.Equal(t, 2, kinds[0].Running)
	require.Nil(t, kinds[0].WorkspaceID)
	kinds, err = figures.Kinds(t.Context(), pool, time.Now().Add(-time.Hour), "greet")
	require.NoError(t, err)
	require.Len(t, kinds, 2)
	require.NotNil(t, kinds[0].Definition)
	require.NotNil(t, kinds[1].WorkspaceID)
}

func TestTheLogOfAWorkspaceAndTheHistoryOfItsLimits(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme, other := workspace(t, pool, "acme"), workspace(t, pool, "other")
	change := func(actor, sql string, args ...any) {
		require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `SELECT set_config('sluice.actor', $1, true)`, actor); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), sql, args...)
			return err
		}))
	}
	change("ann", `UPDATE sluice.workspaces SET weight = 7 WHERE id = $1`, acme)
	change("bob", `UPDATE sluice.workspaces SET weight = 9 WHERE id = $1`, other)
	change("eve", `UPDATE sluice.tiers SET weight = 3 WHERE plan = 'PRO'`)
	exec(t, pool, `INSERT INTO sluice.activity_log (actor, action, workspace_id, reason) VALUES ('ann', 'cancel-requested', $1, 'too late')`, acme)
	now := time.Now().Add(time.Minute)
	log, err := figures.Activities(t.Context(), pool, now, now.Add(-time.Hour), acme, "ann", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"cancel-requested", "limits-changed"}, []string{log[0].Action, log[1].Action})
	require.Len(t, log, 2)
	require.Equal(t, "too late", log[0].Reason)
	all, err := figures.Activities(t.Context(), pool, now, now.Add(-time.Hour), uuid.Nil, "", 3)
	require.NoError(t, err)
	require.Len(t, all, 3)
	history, err := figures.LimitHistory(t.Context(), pool, acme, 10)
	require.NoError(t, err)
	require.Equal(t, "ann", history[0].Actor)
	for _, c := range history {
		require.NotContains(t, []string{"bob", "eve"}, c.Actor)
	}
	change("joe", `INSERT INTO sluice.pauses (workspace_id, actor, reason) VALUES ($1, 'joe', 'unpaid')`, acme)
	paused, err := figures.Activities(t.Context(), pool, now, now.Add(-time.Hour), acme, "joe", 10)
	require.NoError(t, err)
	require.Equal(t, []string{"paused", "unpaid"}, []string{paused[0].Action, paused[0].Reason})
	require.NotContains(t, string(paused[0].Details), "unpaid", "it is told once")
}

func TestWhatHasEndedOfAWorkspace(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	acme, other := workspace(t, pool, "acme"), workspace(t, pool, "other")
	var want []uuid.UUID
	for n, e := range []ended{{status: "COMPLETED"}, {status: "FAILED", error: "no"}, {status: "EXPIRED", reason: "expired"}, {status: "CANCELLED"}, {status: "CANCELLED", reason: "cancelled"}, {status: "TERMINATED"}} {
		e.workspace, e.kind, e.ago = acme, "Order", time.Duration(n+1)*time.Minute
		want = append(want, e.insert(t, pool))
		e.workspace = other
		e.insert(t, pool)
	}
	got, err := figures.EndedOf(t.Context(), pool, acme, time.Now().Add(-time.Hour), 10)
	require.NoError(t, err)
	var ids []uuid.UUID
	for _, e := range got {
		ids = append(ids, e.ID)
	}
	require.Equal(t, want, ids)
	require.Equal(t, "no", got[1].Error)
	require.Equal(t, "expired", got[2].Error)
	got, err = figures.EndedOf(t.Context(), pool, acme, time.Now().Add(-time.Hour), 2)
	require.NoError(t, err)
	require.Len(t, got, 2)
}

// However much has ended and waits, what a page asks for reads few rows.
func TestFiguresReadFewRows(t *testing.T) {
	t.Parallel()
	pool := setup(t)
	ranForAMonth(t, pool)
	busy := one[uuid.UUID](t, pool, `SELECT id FROM sluice.workspaces WHERE name = 'workspace 1'`)
	now := time.Now()
	last := mark(t, pool)
	for name, ask := range map[string]func(db store.DB) error{
		"ended after": func(db store.DB) error {
			_, err := endedAfter(db, last, now.Add(-time.Minute))
			return err
		},
		"line": func(db store.DB) error { _, err := figures.Line(t.Context(), db, busy, 100, 25); return err },
		"held": func(db store.DB) error { _, err := figures.HeldOf(t.Context(), db, busy, 25); return err },
		"ended of": func(db store.DB) error {
			_, err := figures.EndedOf(t.Context(), db, busy, now.Add(-48*time.Hour), 20)
			return err
		},
		"ended since": func(db store.DB) error {
			_, err := figures.EndedSince(t.Context(), db, now.Add(-15*time.Minute), 1000)
			return err
		},
		"failures": func(db store.DB) error {
			_, err := figures.Failures(t.Context(), db, now.Add(-24*time.Hour), uuid.Nil)
			return err
		},
		"failures of": func(db store.DB) error {
			_, err := figures.Failures(t.Context(), db, now.Add(-24*time.Hour), busy)
			return err
		},
		"kinds": func(db store.DB) error {
			_, err := figures.Kinds(t.Context(), db, now.Add(-24*time.Hour), "")
			return err
		},
	} {
		read := touched(t, pool, ask)
		require.LessOrEqual(t, read, int64(4000), "%s reads %d rows of 40,000", name, read)
		t.Log(name, read)
	}
}

// touched is how many rows of the schema a question reads, from tables and by indexes.
func touched(t *testing.T, pool *pgxpool.Pool, ask func(db store.DB) error) (rows int64) {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context()))) }()
	// What this transaction has counted for itself.
	const sum = `SELECT coalesce(sum(seq_tup_read) + sum(idx_tup_fetch), 0)::bigint FROM pg_stat_xact_all_tables WHERE schemaname = 'sluice'`
	before := one[int64](t, tx, sum)
	require.NoError(t, ask(tx))
	return one[int64](t, tx, sum) - before
}
