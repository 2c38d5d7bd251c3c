package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/admin"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
	"sluice/internal/chaos/weather"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/schema"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// newChaos has a database with all of the cast in it, and no servers to break.
func newChaos(t *testing.T) *chaos {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 10)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	c := &chaos{pool: pool, queue: queue.New(pool), office: admin.New(pool), ledger: ledger.New(), stderr: io.Discard}
	c.cast, err = makeCast(t.Context(), c.office, "http://127.0.0.1:1")
	require.NoError(t, err)
	return c
}

func (c *chaos) claim(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	_, err := c.pool.Exec(t.Context(), `
		WITH taken AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, workflow_type, task_queue, workflow_id, request, priority, attempt_count, 1, created_at, available_at, clock_timestamp(), trigger_type, enqueued_by, input FROM taken`, ids)
	require.NoError(t, err)
}

func TestClaimsAfterACutAreViolations(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	at := c.cast.places[0]
	ids, err := c.enqueueAll(t.Context(), at, nodeNoop, 5)
	require.NoError(t, err)
	other, err := c.enqueueAll(t.Context(), c.cast.places[1], nodeNoop, 1)
	require.NoError(t, err)
	before, during, ended, late, after := ids[0], ids[1], ids[2], ids[3], ids[4]
	now := func() time.Time {
		moment, err := c.clock(t.Context())
		require.NoError(t, err)
		return moment
	}

	c.claim(t, before)
	from := now()
	c.claim(t, during, ended, other[0])
	_, err = store.RecordOutcome(t.Context(), c.pool, store.Outcome{ExecutionID: ended, RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err)
	_, err = store.RecordOutcome(t.Context(), c.pool, store.Outcome{ExecutionID: late, RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err, "Temporal ran it; no claim took it")
	to := now()
	c.claim(t, after)

	require.NoError(t, c.judgeCut(t.Context(), promiseCuts, restriction{part: "it", scope: []place{at}}, from, to))
	require.Len(t, c.violations, 1)
	require.Equal(t, promiseCuts, c.violations[0].Promise)
	for id, found := range map[uuid.UUID]bool{before: false, during: true, ended: true, late: false, after: false, other[0]: false} {
		require.Equal(t, found, contains(c.violations[0].What, id), "%s", id)
	}
	require.NoError(t, c.judgeCut(t.Context(), promiseCuts, restriction{part: "all"}, from, to))
	require.True(t, contains(c.violations[1].What, other[0]))
	require.NoError(t, c.judgeCut(t.Context(), promiseCuts, restriction{part: "it", scope: []place{at}}, now(), now().Add(time.Hour)))
	require.Len(t, c.violations, 2)
	for _, other := range []restriction{{part: "another definition", only: at.definitions[nodeBlink]}, {part: "a type", only: ownID(ownCompletes), kind: ownCompletes}} {
		require.NoError(t, c.judgeCut(t.Context(), promiseCuts, other, from, to))
		require.Len(t, c.violations, 2, other.part)
	}
	require.NoError(t, c.judgeCut(t.Context(), promiseCuts, restriction{part: "its definition", only: at.definitions[nodeNoop]}, from, to))
	require.True(t, contains(c.violations[2].What, during))
	require.False(t, contains(c.violations[2].What, other[0]), "that is another workspace's definition")
}

func contains(what string, id uuid.UUID) bool { return strings.Contains(what, id.String()) }

func TestACutHoldsForWhatItSays(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	ceilings := func() (zero int) {
		require.NoError(t, c.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.quotas CROSS JOIN sluice.settings s WHERE ceiling = 0 OR s.max_concurrent_workflows = 0`).Scan(&zero))
		return zero
	}
	for choice, want := range map[uint64]int{0: 1, 1: workspaces / plans, 2: workspaces + 1} {
		r := c.restriction(plan.Fault{Choice: choice})
		require.NoError(t, r.cut(t.Context()))
		require.Equal(t, want, ceilings())
		if r.scope != nil {
			require.Len(t, r.scope, want)
		}
		require.NoError(t, r.undo(t.Context()))
		require.Zero(t, ceilings())
	}
}

func TestAHeldUpClaimIsFound(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	at := c.cast.places[0]
	tx, err := c.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	ids, err := c.holdTurn(t.Context(), tx, at)
	require.NoError(t, err)
	claimed := make(chan error, 1)
	go func() {
		var turn int64
		err := c.pool.QueryRow(t.Context(), `SELECT max(turn) + 1 FROM sluice.turns WHERE shard = 0`).Scan(&turn)
		if err == nil {
			err = store.Send(t.Context(), c.pool, func(b *pgx.Batch) {
				store.QueueClaim(b, store.ClaimRequest{Turn: turn, Items: ids, Versions: []uuid.UUID{{}}, Now: time.Now()}, &store.ClaimResult{})
			})
		}
		claimed <- err
	}()
	pids, err := c.heldUp(t.Context(), tx)
	require.NoError(t, err)
	require.Len(t, pids, 1)
	_, err = c.pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid`, pids)
	require.NoError(t, err)
	require.Error(t, <-claimed)
	require.NoError(t, tx.Rollback(t.Context()))
	what, err := c.notEnded(t.Context(), ids...)
	require.NoError(t, err)
	require.Contains(t, what, "1 of 1 items")
}

func TestALockedItemIsLeftOutOfAClaim(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	tx, err := c.begin(t.Context(), pgx.TxOptions{})
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	ids, err := c.lockItem(t.Context(), tx, c.cast.probe, plan.Fault{Number: 1})
	require.NoError(t, err)
	claim := func() (result store.ClaimResult) {
		var turn int64
		require.NoError(t, c.pool.QueryRow(t.Context(), `SELECT max(turn) + 1 FROM sluice.turns WHERE shard = 0`).Scan(&turn))
		require.NoError(t, store.Send(t.Context(), c.pool, func(b *pgx.Batch) {
			store.QueueClaim(b, store.ClaimRequest{Turn: turn, Items: ids, Versions: []uuid.UUID{{}}, Now: time.Now()}, &result)
		}))
		return result
	}
	require.Eventually(t, func() bool {
		var due bool
		require.NoError(t, c.pool.QueryRow(t.Context(), `SELECT available_at <= now() FROM sluice.pending WHERE id = ANY ($1)`, ids).Scan(&due))
		return due
	}, time.Minute, 10*time.Millisecond)
	locked := claim()
	require.True(t, locked.Taken)
	require.Empty(t, locked.Items)
	require.NoError(t, tx.Rollback(t.Context()))
	require.Len(t, claim().Items, 1)
}

func TestWhatWaitsForItsFullWorkspaceDoesNotHang(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	at := c.cast.places[0] // its limit is 1
	ids, err := c.enqueueAll(t.Context(), at, nodeNoop, 2)
	require.NoError(t, err)
	hang := func(want string) {
		t.Helper()
		what, err := c.hanging(t.Context(), ids)
		require.NoError(t, err)
		require.Equal(t, want, what)
	}
	hang("2 of 2 items hang")
	c.claim(t, ids[0])
	hang("1 of 2 items hang")
	require.NoError(t, store.Settle(t.Context(), c.pool, []store.Started{{ExecutionID: ids[0], RunID: "run"}}))
	hang("")
	_, err = store.RecordOutcome(t.Context(), c.pool, store.Outcome{ExecutionID: ids[0], RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err)
	hang("1 of 2 items hang")
}

func TestFactsAreAllItemsWhereverTheyAre(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	ids, err := c.enqueueAll(t.Context(), c.cast.places[0], nodeNoop, 4)
	require.NoError(t, err)
	c.claim(t, ids[1], ids[2])
	_, err = store.RecordOutcome(t.Context(), c.pool, store.Outcome{ExecutionID: ids[2], RunID: "run", Status: "TIMED_OUT"})
	require.NoError(t, err)
	_, err = c.queue.Cancel(t.Context(), ids[3], "test", "")
	require.NoError(t, err)
	facts, err := c.facts(t.Context())
	require.NoError(t, err)
	are := map[uuid.UUID]string{}
	for _, f := range facts {
		are[f.ID] = fmt.Sprint(f.Ticket, f.Status, f.Reason)
	}
	require.Equal(t, map[uuid.UUID]string{ids[0]: "0PENDING", ids[1]: "1CLAIMED", ids[2]: "2TIMED_OUT", ids[3]: "3CANCELLEDcancelled"}, are)
}

func TestWaitsBesideAFreeSlotAreViolations(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	c.weather = weather.New()
	ids, err := c.enqueueAll(t.Context(), c.cast.places[0], nodeNoop, 3)
	require.NoError(t, err)
	soon, tooLate, requeued := ids[0], ids[1], ids[2]
	_, err = c.pool.Exec(t.Context(), `UPDATE sluice.pending SET available_at = now() - $2 * interval '1 second', created_at = now() - $2 * interval '1 second' WHERE id = $1`, soon, 1)
	require.NoError(t, err)
	_, err = c.pool.Exec(t.Context(), `UPDATE sluice.pending SET available_at = now() - $2 * interval '1 second', created_at = now() - $2 * interval '1 second' WHERE id = ANY ($1)`, ids[1:], 30)
	require.NoError(t, err)
	_, err = c.pool.Exec(t.Context(), `UPDATE sluice.limit_changes SET at = at - interval '1 hour'`)
	require.NoError(t, err)
	_, err = c.pool.Exec(t.Context(), `INSERT INTO sluice.activity_log (actor, action, queue_id) VALUES ('dispatcher', 'requeued', $1)`, requeued)
	require.NoError(t, err)
	c.claim(t, tooLate, soon, requeued)
	longest, err := c.judgeProgress(t.Context())
	require.NoError(t, err)
	require.GreaterOrEqual(t, longest, 30*time.Second)
	require.Len(t, c.violations, 1)
	require.Equal(t, tooLate.String(), c.violations[0].ID)
}
