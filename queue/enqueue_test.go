package queue_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/queue"
)

func TestEnqueueAnswersAndTheItemIsPending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due, expiry := inFuture(), inFuture().Add(time.Hour)
	id := b.enqueue(t, queue.Item{
		WorkspaceID: b.workspace, DefinitionID: b.definition, Input: json.RawMessage(` {"order": 7} `), Priority: 1,
		AvailableAt: due, ExpiresAt: expiry, UniqueKey: "order-7", EnqueuedBy: "ann", TriggerType: "WEBHOOK",
	})
	got := b.get(t, id)
	require.Equal(t, "PENDING", got.Status)
	require.JSONEq(t, `{"order": 7}`, string(got.Input))
	require.Equal(t, 1, got.Priority)
	require.Equal(t, "order-7", *got.UniqueKey)
	require.WithinDuration(t, due, got.AvailableAt, 0)
	require.WithinDuration(t, expiry, *got.ExpiresAt, 0)
	require.Equal(t, "WEBHOOK ann", one[string](t, b.pool, `SELECT trigger_type || ' ' || enqueued_by FROM sluice.pending`))
}

func TestEnqueueFillsInDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.AvailableAt = time.Now().Add(-time.Hour) // the past means now
	got := b.get(t, b.enqueue(t, item))
	require.Equal(t, queue.DefaultPriority, got.Priority)
	require.JSONEq(t, `{}`, string(got.Input))
	require.Equal(t, got.CreatedAt, got.AvailableAt)
	require.Nil(t, got.ExpiresAt)
	require.Equal(t, "FUNCTION shop", one[string](t, b.pool, `SELECT trigger_type || ' ' || enqueued_by FROM sluice.pending`), "the connection's application_name")
}

// A plain item takes a shorter way than one with a key, and so do many. All write the same row and tell the same of it.
func TestEachWayInWritesTheSameRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, change := range map[string]func(*queue.Item){
		"defaults": func(*queue.Item) {},
		"everything": func(i *queue.Item) {
			i.Input, i.Priority, i.EnqueuedBy, i.TriggerType = json.RawMessage(`{"order": 7}`), 5, "ann", "WEBHOOK"
		},
		"a large input": func(i *queue.Item) { i.Input = sized(store.LargeInput + 1) },
	} {
		t.Run(name, func(t *testing.T) {
			plain, keyed := b.item(), b.item()
			change(&plain)
			change(&keyed)
			keyed.UniqueKey = name
			tx := b.begin(t)
			inTx, err := b.queue.EnqueueTx(t.Context(), tx, plain)
			require.NoError(t, err)
			manyInTx, err := b.queue.EnqueueManyTx(t.Context(), tx, []queue.Item{plain})
			require.NoError(t, err)
			require.NoError(t, tx.Commit(t.Context()))
			many, err := b.queue.EnqueueMany(t.Context(), []queue.Item{plain})
			require.NoError(t, err)
			inSQL := one[queue.Answer](t, b.pool, `SELECT sluice.enqueue($1, $2, $3, $4, enqueued_by => $5, trigger_type => $6)`,
				plain.WorkspaceID, plain.DefinitionID, cmp.Or(string(plain.Input), "{}"), cmp.Or(plain.Priority, queue.DefaultPriority), plain.EnqueuedBy, cmp.Or(plain.TriggerType, "FUNCTION"))
			require.Equal(t, many[0], queue.Answer{QueueID: many[0].QueueID, Status: inSQL.Status, Message: inSQL.Message})

			single := []uuid.UUID{b.enqueue(t, plain), b.enqueue(t, keyed), inTx.QueueID, inSQL.QueueID}
			ids := append(single, many[0].QueueID, manyInTx[0].QueueID)
			require.Len(t, list[string](t, b.pool, `
				SELECT DISTINCT (to_jsonb(p) - '{id,unique_key,created_at,available_at}'::text[] || jsonb_build_object('due', available_at = created_at))::text
				FROM sluice.pending p WHERE id = ANY ($1)`, ids), 1)
			require.Len(t, list[string](t, b.pool, `SELECT DISTINCT input::text FROM sluice.queue_items WHERE id = ANY ($1)`, ids), 1)
			for _, id := range ids {
				require.EqualValues(t, 7, id.Version())
			}
			require.ElementsMatch(t, single, list[uuid.UUID](t, b.pool, `SELECT item_id FROM sluice.events e JOIN sluice.pending p ON p.id = e.item_id
				WHERE p.id = ANY ($1) AND (e.workspace_id, e.definition_id, e.priority, e.available_at) = (p.workspace_id, p.workflow_definition_id, p.priority, p.available_at)`, ids))
		})
	}
}

// The statement that inserts looks the definition up, and the error of one that is refused is as any other in a transaction.
func TestARefusalInATransactionLeavesItToTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	first, err := b.queue.EnqueueTx(t.Context(), tx, b.item())
	require.NoError(t, err)
	savepoint, err := tx.Begin(t.Context())
	require.NoError(t, err)
	unknown := b.item()
	unknown.DefinitionID = uuid.New()
	_, err = b.queue.EnqueueTx(t.Context(), savepoint, unknown)
	require.ErrorIs(t, err, queue.ErrUnknownDefinition)
	require.NoError(t, savepoint.Rollback(t.Context()))
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []uuid.UUID{first.QueueID}, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending`))
}

func TestEnqueueRefusesWithAReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, foreign := b.newWorkspace(t, "globex")
	unknown := uuid.New()
	tests := map[string]struct {
		change      func(*queue.Item)
		wantKind    error
		wantMessage string
	}{
		"unknown workspace":       {func(i *queue.Item) { i.WorkspaceID = unknown }, queue.ErrUnknownWorkspace, unknown.String()},
		"no workspace":            {func(i *queue.Item) { i.WorkspaceID = uuid.Nil }, queue.ErrUnknownWorkspace, uuid.Nil.String()},
		"unknown definition":      {func(i *queue.Item) { i.DefinitionID = unknown }, queue.ErrUnknownDefinition, unknown.String()},
		"foreign definition":      {func(i *queue.Item) { i.DefinitionID = foreign }, queue.ErrForeignDefinition, foreign.String()},
		"input is no JSON":        {input(`{"a":`), queue.ErrInvalid, "not valid JSON"},
		"input is two values":     {input(`{}{}`), queue.ErrInvalid, "not valid JSON"},
		"input is an array":       {input(`[1]`), queue.ErrInvalid, "JSON object"},
		"input is null":           {input(`null`), queue.ErrInvalid, "JSON object"},
		"input is a string":       {input(`"{}"`), queue.ErrInvalid, "JSON object"},
		"input has a NUL":         {input(`{"a": "\u0000"}`), queue.ErrInvalid, `\u0000`},
		"input has a NUL name":    {input(`{"a\\\u0000": 1}`), queue.ErrInvalid, `\u0000`},
		"input has half a pair":   {input(`{"a": "\ud800"}`), queue.ErrInvalid, "surrogate"},
		"a large one has half":    {input(`{"a": "\ud800` + strings.Repeat("x", store.LargeInput) + `"}`), queue.ErrInvalid, "surrogate"},
		"input is not UTF-8":      {input("{\"a\": \"\xff\"}"), queue.ErrInvalid, "UTF-8"},
		"input has a huge number": {input(`{"a": 1e999999}`), queue.ErrInvalid, "digits"},
		"priority too high":       {func(i *queue.Item) { i.Priority = 6 }, queue.ErrInvalid, "not 6"},
		"priority too low":        {func(i *queue.Item) { i.Priority = -1 }, queue.ErrInvalid, "not -1"},
		"key too long":            {func(i *queue.Item) { i.UniqueKey = strings.Repeat("k", 513) }, queue.ErrInvalid, "512 bytes, not 513"},
		"key with a NUL":          {func(i *queue.Item) { i.UniqueKey = "a\x00" }, queue.ErrInvalid, "character zero"},
		"key held for ever": {func(i *queue.Item) {
			i.UniqueKey, i.UniqueFor = "k", 200*365*24*time.Hour
		}, queue.ErrInvalid, "0 to 100 years"},
		"no key held for a time":         {func(i *queue.Item) { i.UniqueKey, i.UniqueFor = "", time.Hour }, queue.ErrInvalid, "UniqueFor needs a UniqueKey"},
		"key held for less than nothing": {func(i *queue.Item) { i.UniqueFor = -time.Second }, queue.ErrInvalid, "queue.UntilEnded"},
		"due beyond all calendars": {func(i *queue.Item) {
			i.AvailableAt = time.Date(400_000, 1, 1, 0, 0, 0, 0, time.UTC)
		}, queue.ErrInvalid, "out of range"},
		"expires before due": {func(i *queue.Item) {
			i.AvailableAt, i.ExpiresAt = inFuture(), inFuture().Add(-time.Minute)
		}, queue.ErrInvalid, "after available_at"},
		"expired already":  {func(i *queue.Item) { i.ExpiresAt = time.Now().Add(-time.Second) }, queue.ErrInvalid, "present"},
		"due in a century": {func(i *queue.Item) { i.AvailableAt = time.Now().AddDate(100, 0, 0) }, queue.ErrInvalid, "ten years"},
		"expires after year 9999": {func(i *queue.Item) {
			i.ExpiresAt = time.Date(10001, 1, 1, 0, 0, 0, 0, time.UTC)
		}, queue.ErrInvalid, "year 10000"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			item := b.item()
			tt.change(&item)
			_, err := b.queue.Enqueue(t.Context(), item)
			require.ErrorIs(t, err, tt.wantKind)
			require.ErrorContains(t, err, tt.wantMessage)

			_, err = b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), item, b.item()})
			require.ErrorIs(t, err, tt.wantKind, "many are held to the same rules as one")
			require.ErrorContains(t, err, tt.wantMessage)
		})
	}
	b.requireNothing(t)
}

func input(raw string) func(*queue.Item) {
	return func(i *queue.Item) { i.Input = json.RawMessage(raw) }
}

// An escaped backslash in front of u0000 is text like any other.
func TestEnqueueTakesTextThatLooksLikeNUL(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Input = json.RawMessage(`{"pattern": "\\u0000"}`)
	require.JSONEq(t, string(item.Input), string(b.get(t, b.enqueue(t, item)).Input))
}

func TestARolledBackEnqueueIsNeverSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	plain, keyed := b.item(), b.item()
	plain.Input = sized(5000)
	keyed.UniqueKey, keyed.Input = "k", sized(5000)
	answer, err := b.queue.EnqueueTx(t.Context(), tx, plain)
	require.NoError(t, err)
	_, err = b.queue.EnqueueTx(t.Context(), tx, keyed)
	require.NoError(t, err)
	_, err = b.queue.EnqueueManyTx(t.Context(), tx, []queue.Item{plain, keyed, b.item()})
	require.NoError(t, err)
	b.requireNothing(t) // not committed yet
	require.NoError(t, tx.Rollback(t.Context()))

	b.requireNothing(t)
	_, err = b.queue.Get(t.Context(), answer.QueueID)
	require.ErrorIs(t, err, queue.ErrUnknownItem)
	b.enqueue(t, keyed) // its key was rolled back too
}

// A lock timeout on every other transaction proves that an open one holds none of them up.
func TestAnOpenEnqueueTxHoldsNothingUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	item := b.item()
	item.UniqueKey = "held"
	held, err := b.queue.EnqueueTx(t.Context(), tx, item)
	require.NoError(t, err)
	_, err = b.queue.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), b.item()})
	require.NoError(t, err)

	b.exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''10s''', current_database()); END $$`)
	b.pool.Reset()
	cancelled, ended := b.enqueue(t, b.item()), b.enqueue(t, b.item())
	item.UniqueKey = "another"
	b.enqueue(t, item)
	_, err = b.queue.EnqueueMany(t.Context(), items(b.item(), 3))
	require.NoError(t, err)
	status, err := b.queue.Cancel(t.Context(), cancelled, "ann", "")
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", status)
	b.dispatch(t, ended)
	b.end(t, ended, "COMPLETED")
	b.exec(t, `UPDATE sluice.workspaces SET plan = 'PRO'`)
	b.exec(t, `UPDATE sluice.workflow_definitions SET version_number = 2`)
	b.exec(t, `SELECT sluice.make_partitions()`)

	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, "PENDING", b.get(t, held.QueueID).Status)
}

// A caller who knows that can enqueue again without a unique key.
func TestAnErrorTellsThatThereWasNoConnectionToEnqueueOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	refused := errors.New("no session here")
	q := queue.New(b.open(t, func(config *pgxpool.Config) {
		config.AfterConnect = func(context.Context, *pgx.Conn) error { return refused }
	}))
	keyed := b.item()
	keyed.UniqueKey = "k"
	for _, items := range [][]queue.Item{{b.item()}, {keyed}, {b.item(), b.item()}, {b.item(), keyed}} {
		var err error
		if len(items) == 1 {
			_, err = q.Enqueue(t.Context(), items[0])
		} else {
			_, err = q.EnqueueMany(t.Context(), items)
		}
		require.ErrorIs(t, err, refused)
		require.True(t, store.ChangedNothing(err), err)
	}
	b.requireNothing(t)
}
