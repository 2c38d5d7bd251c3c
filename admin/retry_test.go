package admin_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/admin"
)

// enqueue enqueues an item of the bundle's workspace; an empty key is none.
func (b *bundle) enqueue(t *testing.T, key string) uuid.UUID {
	t.Helper()
	return one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2, '{"order": 7}', 1, unique_key => nullif($3, ''), unique_for => CASE WHEN $3 <> '' THEN interval '0' END,
		expires_at => now() + interval '1 hour') ->> 'queueId')::uuid`, b.workspace, b.definition, key)
}

func (b *bundle) enqueueN(t *testing.T, n int) []uuid.UUID {
	t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.enqueue(t, "")
	}
	return ids
}

// refuse ends pending items without an execution, as failed starts, cancels and passed expiries do.
func (b *bundle) refuse(t *testing.T, status, reason string, ids ...uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = ANY ($1) RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, actor, error, priority, attempt_count, created_at,
			available_at, ended_at, expires_at, unique_key, trigger_type, enqueued_by, input)
		SELECT id, workspace_id, workflow_definition_id, $2, $3, 'dispatcher', '{"message": "no answer"}', priority, attempt_count + 1, created_at,
			available_at, clock_timestamp(), expires_at, unique_key, trigger_type, enqueued_by, input FROM gone`, ids, status, reason)
}

// start has a pending item become an execution.
func (b *bundle) start(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.exec(t, `WITH gone AS (DELETE FROM sluice.pending WHERE id = $1 RETURNING *)
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at,
			dispatched_at, engine_run_id, trigger_type, enqueued_by)
		SELECT id, workspace_id, workflow_definition_id, priority, attempt_count, 1, created_at, available_at, clock_timestamp(), clock_timestamp(),
			'run', trigger_type, enqueued_by FROM gone`, id)
}

// finish ends an execution.
func (b *bundle) finish(t *testing.T, id uuid.UUID, status string) {
	t.Helper()
	b.exec(t, `WITH gone AS (DELETE FROM sluice.running WHERE id = $1 RETURNING *)
		INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at, available_at, claimed_at,
			dispatched_at, engine_run_id, ended_at, trigger_type, enqueued_by)
		SELECT id, workspace_id, workflow_definition_id, $2, priority, attempt_count, created_at, available_at, claimed_at, dispatched_at,
			engine_run_id, clock_timestamp(), trigger_type, enqueued_by FROM gone`, id, status)
}

func (b *bundle) status(t *testing.T, id uuid.UUID) string {
	t.Helper()
	return one[string](t, b.pool, `SELECT status FROM sluice.queue_items WHERE id = $1`, id)
}

func (b *bundle) retry(t *testing.T, f admin.RetryFilter) int64 {
	t.Helper()
	n, err := b.office.Retry(t.Context(), f, "ann")
	require.NoError(t, err)
	return n
}

func TestAFailedItemIsRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, "order-7")
	const kept = `SELECT row(workspace_id, workflow_definition_id, priority, created_at, expires_at, unique_key, input)::text FROM sluice.queue_items WHERE id = $1`
	before := one[string](t, b.pool, kept, id)
	b.refuse(t, "FAILED", "definition-gone", id)
	b.exec(t, `DELETE FROM sluice.events`)

	require.EqualValues(t, 1, b.retry(t, admin.RetryFilter{IDs: []uuid.UUID{id, id}}))
	require.Equal(t, "PENDING", b.status(t, id))
	require.Equal(t, before, one[string](t, b.pool, kept, id))
	require.Equal(t, "definition-gone: no answer", one[string](t, b.pool, `SELECT last_error FROM sluice.pending
		WHERE attempt_count = 0 AND available_at > now() - interval '1 minute' AND available_at <= now()`), "why its last start failed")
	require.Equal(t, []uuid.UUID{b.workspace}, one[[]uuid.UUID](t, b.pool, `SELECT workspaces FROM sluice.events
		WHERE NOT quiet AND available_at = (SELECT available_at FROM sluice.pending)`), "the dispatcher hears of it")
	require.Equal(t, id, b.enqueue(t, "order-7"), "its unique key still answers with it")

	b.start(t, id)
	b.finish(t, id, "COMPLETED")
	require.Equal(t, []string{
		`enqueued {}`,
		`failed dispatcher definition-gone {"error": "no answer"}`,
		`retried ann definition-gone {"attempts": 1}`,
		`claimed dispatcher {}`, `dispatched dispatcher {"runId": "run"}`, `completed execution {}`,
	}, list[string](t, b.pool, `SELECT concat_ws(' ', action, CASE WHEN action <> 'enqueued' THEN actor END, reason, details) FROM sluice.activity
		WHERE queue_id = $1 ORDER BY at, action`, id))
}

func TestARetryByFilter(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.refuse(t, "FAILED", "start-refused", ids[:3]...)
	b.refuse(t, "FAILED", "definition-gone", ids[3:]...)
	cancelled := b.enqueue(t, "")
	b.refuse(t, "CANCELLED", "no longer wanted", cancelled)
	globex := *b
	globex.workspace, globex.definition = b.newWorkspace(t, "globex", "FREE")
	b.refuse(t, "FAILED", "start-refused", globex.enqueue(t, ""))

	require.Zero(t, b.retry(t, admin.RetryFilter{IDs: []uuid.UUID{}}), "no items are none, not all")
	require.Zero(t, b.retry(t, admin.RetryFilter{Reason: "no-such-reason"}))
	require.Zero(t, b.retry(t, admin.RetryFilter{WorkspaceID: uuid.New()}))
	b.exec(t, `DELETE FROM sluice.events`)
	require.Zero(t, b.retry(t, admin.RetryFilter{Reason: "no-such-reason"}))
	require.Empty(t, list[uuid.UUID](t, b.pool, `SELECT workspace_id FROM sluice.events`), "there is nothing to hear of")
	require.EqualValues(t, 2, b.retry(t, admin.RetryFilter{WorkspaceID: b.workspace, Reason: "start-refused", Limit: 2}))
	require.Equal(t, ids[:2], list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending ORDER BY id`), "oldest first")
	require.EqualValues(t, 2, b.retry(t, admin.RetryFilter{Reason: "start-refused"}), "the third, and the other workspace's")
	require.ElementsMatch(t, []uuid.UUID{b.workspace, globex.workspace}, one[[]uuid.UUID](t, b.pool, `SELECT workspaces FROM sluice.events
		WHERE cardinality(workspaces) = 2`), "one event tells of all")
	require.EqualValues(t, 2, b.retry(t, admin.RetryFilter{}))
	require.Zero(t, b.retry(t, admin.RetryFilter{}))
	require.Equal(t, "CANCELLED", b.status(t, cancelled))
	require.Equal(t, 6, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity_log WHERE action = 'retried'`))
}

func TestAnItemPastItsExpiryIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 2)
	b.refuse(t, "FAILED", "start-refused", ids...)
	b.exec(t, `UPDATE sluice.ended SET expires_at = now() - interval '1 hour' WHERE id = $1`, ids[0])

	_, err := b.office.Retry(t.Context(), admin.RetryFilter{IDs: ids}, "ann")
	require.ErrorIs(t, err, admin.ErrNotRetryable)
	require.ErrorContains(t, err, "item "+ids[0].String()+" is FAILED and was to expire at ")
	require.Equal(t, "FAILED", b.status(t, ids[1]), "all or none")

	for _, f := range []admin.RetryFilter{{}, {WorkspaceID: b.workspace}, {Reason: "start-refused", Limit: 9}, {IDs: ids}} {
		n, err := b.office.CountExpired(t.Context(), f)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
	}
	for _, f := range []admin.RetryFilter{{WorkspaceID: uuid.New()}, {Reason: "x"}, {IDs: ids[1:]}, {IDs: []uuid.UUID{}}} {
		n, err := b.office.CountExpired(t.Context(), f)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	_, err = b.office.CountExpired(t.Context(), admin.RetryFilter{IDs: ids, Reason: "x"})
	require.ErrorIs(t, err, admin.ErrInvalid)
	require.EqualValues(t, 1, b.retry(t, admin.RetryFilter{}))
	require.Equal(t, "FAILED", b.status(t, ids[0]))
	require.Equal(t, "PENDING", b.status(t, ids[1]))
}

func TestWhatIsNotFailedIsNotRetried(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	failed, running, ended, expired, pending := ids[0], ids[1], ids[2], ids[3], ids[4]
	b.refuse(t, "FAILED", "start-refused", failed)
	b.refuse(t, "EXPIRED", "expired", expired)
	b.start(t, running)
	b.start(t, ended)
	b.finish(t, ended, "FAILED")
	unknown := uuid.New()
	for id, want := range map[uuid.UUID]string{
		unknown: "no queue item " + unknown.String(),
		pending: "item " + pending.String() + " is PENDING, not FAILED",
		expired: "item " + expired.String() + " is EXPIRED, not FAILED",
		running: "is DISPATCHED and its execution RUNNING",
		ended:   "is DISPATCHED and its execution FAILED",
	} {
		n, err := b.office.Retry(t.Context(), admin.RetryFilter{IDs: []uuid.UUID{failed, id}}, "ann")
		require.Zero(t, n)
		require.ErrorContains(t, err, want)
		kind := admin.ErrNotRetryable
		if id == unknown {
			kind = admin.ErrUnknownItem
		}
		require.ErrorIs(t, err, kind)
	}
	require.Equal(t, "FAILED", b.status(t, failed), "all or none")
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity_log WHERE queue_id IS NOT NULL`))
	for _, f := range []admin.RetryFilter{{IDs: ids, Limit: 1}, {IDs: ids, Reason: "x"}, {IDs: ids, WorkspaceID: b.workspace}, {Limit: -1}} {
		_, err := b.office.Retry(t.Context(), f, "ann")
		require.ErrorIs(t, err, admin.ErrInvalid)
	}
}

// While an item of a key is not over there is no second one, also when a retry brings one back.
func TestARetryKeepsUniqueKeysUnique(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.enqueue(t, "order-7")
	b.refuse(t, "FAILED", "start-refused", first)
	later := b.enqueue(t, "order-7")
	require.NotEqual(t, first, later)

	_, err := b.office.Retry(t.Context(), admin.RetryFilter{IDs: []uuid.UUID{first}}, "ann")
	require.ErrorIs(t, err, admin.ErrNotRetryable)
	require.ErrorContains(t, err, "its unique key is that of the later item "+later.String())
	require.Zero(t, b.retry(t, admin.RetryFilter{}))

	b.refuse(t, "FAILED", "start-refused", later)
	require.EqualValues(t, 1, b.retry(t, admin.RetryFilter{}), "of one key only one")
	require.Equal(t, "PENDING", b.status(t, later))

	b.refuse(t, "FAILED", "start-refused", later)
	b.exec(t, `DELETE FROM sluice.unique_keys`) // as recovery does with keys that are held no longer
	_, err = b.office.Retry(t.Context(), admin.RetryFilter{IDs: []uuid.UUID{later, first}}, "ann")
	require.ErrorIs(t, err, admin.ErrNotRetryable)
	require.ErrorContains(t, err, "item "+first.String()+" is FAILED, and its unique key is that of the later item")
	require.Empty(t, list[string](t, b.pool, `SELECT unique_key FROM sluice.unique_keys`), "what is refused changes nothing")
	require.EqualValues(t, 1, b.retry(t, admin.RetryFilter{}))
	require.Equal(t, "PENDING", b.status(t, later))
	require.Equal(t, later, b.enqueue(t, "order-7"), "the key is the item's again")
	b.start(t, later)
	b.finish(t, later, "COMPLETED")
	require.NotEqual(t, later, b.enqueue(t, "order-7"), "until it ends")
}

// An enqueue that has taken the key and is not committed is waited for.
func TestARetryWaitsForTheEnqueueThatTakesItsKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, "order-7")
	b.refuse(t, "FAILED", "start-refused", id)
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	defer func() { _ = tx.Rollback(context.Background()) }()
	var later uuid.UUID
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT (sluice.enqueue($1, $2, unique_key => 'order-7') ->> 'queueId')::uuid`, b.workspace, b.definition).Scan(&later))
	refused := make(chan error, 1)
	go func() {
		_, err := b.office.Retry(context.WithoutCancel(t.Context()), admin.RetryFilter{IDs: []uuid.UUID{id}}, "ann")
		refused <- err
	}()
	b.awaitLockWait(t)
	require.NoError(t, tx.Commit(t.Context()))
	err = <-refused
	require.ErrorIs(t, err, admin.ErrNotRetryable)
	require.ErrorContains(t, err, later.String())
	require.Equal(t, []uuid.UUID{later}, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`))
}

// However many retry the same items at once, in whatever order they name them, each item goes back once.
func TestConcurrentRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 5)
	b.refuse(t, "FAILED", "start-refused", ids...)
	var total atomic.Int64
	group, ctx := errgroup.WithContext(context.WithoutCancel(t.Context()))
	for n := range 8 {
		group.Go(func() error {
			f := admin.RetryFilter{}
			if n%2 == 0 {
				f.IDs = []uuid.UUID{ids[n/2+1], ids[n/2]}
			}
			retried, err := b.office.Retry(ctx, f, "ann")
			total.Add(retried)
			if n%2 == 0 && errors.Is(err, admin.ErrNotRetryable) { // another one was first
				return nil
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.EqualValues(t, 5, total.Load())
	require.ElementsMatch(t, ids, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`))
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.ended`))
}

// A large input is not copied: it stays where it is.
func TestARetriedItemKeepsALargeInput(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := one[uuid.UUID](t, b.pool, `SELECT (sluice.enqueue($1, $2, jsonb_build_object('text', repeat('x', 5000))) ->> 'queueId')::uuid`, b.workspace, b.definition)
	b.refuse(t, "FAILED", "start-refused", id)
	require.EqualValues(t, 1, b.retry(t, admin.RetryFilter{}))
	require.Equal(t, 5000, one[int](t, b.pool, `SELECT length(input ->> 'text') FROM sluice.queue_items`))
}
