package queue_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestEnqueueAnswersAndTheItemIsPending(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due, expiry := inFuture().Truncate(time.Microsecond), inFuture().Add(time.Hour).Truncate(time.Microsecond)
	answer, err := b.app.Enqueue(t.Context(), queue.Item{
		WorkspaceID: b.workspace, DefinitionID: b.definition, Input: json.RawMessage(` {"order": 7} `), Priority: 1,
		AvailableAt: due, ExpiresAt: expiry, UniqueKey: "order-7", EnqueuedBy: "ann", TriggerType: "WEBHOOK",
	})
	require.NoError(t, err)
	require.Equal(t, "QUEUED", answer.Status)
	require.Equal(t, "Workflow execution queued. Will start when capacity is available.", answer.Message)

	got := b.view(t, answer.QueueID)
	require.Equal(t, "PENDING", got.Status)
	require.JSONEq(t, `{"order": 7}`, string(got.Input))
	require.Equal(t, 1, got.Priority)
	require.Equal(t, "order-7", *got.UniqueKey)
	require.WithinDuration(t, due, got.AvailableAt, 0)
	require.WithinDuration(t, expiry, *got.ExpiresAt, 0)
	require.Equal(t, "WEBHOOK", one[string](t, b.pool, `SELECT trigger_type FROM sluice.execution_queue`))
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT enqueued_by FROM sluice.execution_queue`))
}

func TestEnqueueFillsInDefaults(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.AvailableAt = time.Now().Add(-time.Hour) // the past means now
	got := b.view(t, b.enqueue(t, item))
	require.Equal(t, queue.DefaultPriority, got.Priority)
	require.JSONEq(t, `{}`, string(got.Input))
	require.Equal(t, got.CreatedAt, got.AvailableAt)
	require.Nil(t, got.ExpiresAt)
	require.Equal(t, "FUNCTION", one[string](t, b.pool, `SELECT trigger_type FROM sluice.execution_queue`))
	require.Equal(t, "shop", one[string](t, b.pool, `SELECT enqueued_by FROM sluice.execution_queue`), "the connection's application_name")
}

// A plain item takes a shorter way than one with a key, and many take one of their own. All write the same row.
func TestEachWayInWritesTheSameRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for name, change := range map[string]func(*queue.Item){
		"defaults": func(*queue.Item) {},
		"everything": func(i *queue.Item) {
			i.Input, i.Priority, i.EnqueuedBy, i.TriggerType = json.RawMessage(`{"order": 7}`), 5, "ann", "WEBHOOK"
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, keyed := b.item(), b.item()
			change(&plain)
			change(&keyed)
			keyed.UniqueKey = name
			ids := []uuid.UUID{b.enqueue(t, plain), b.enqueue(t, keyed)}
			many, err := b.app.EnqueueMany(t.Context(), []queue.Item{plain})
			require.NoError(t, err)
			answer := one[queue.Answer](t, b.pool, `SELECT sluice.enqueue($1, $2, $3, $4, enqueued_by => $5, trigger_type => $6)`,
				plain.WorkspaceID, plain.DefinitionID, cmp.Or(string(plain.Input), "{}"), cmp.Or(plain.Priority, queue.DefaultPriority), plain.EnqueuedBy, cmp.Or(plain.TriggerType, "FUNCTION"))
			ids = append(ids, many[0].QueueID, answer.QueueID)
			require.Equal(t, many[0], queue.Answer{QueueID: ids[2], Status: answer.Status, Message: answer.Message})
			require.Len(t, list[string](t, b.pool, `
				SELECT DISTINCT (to_jsonb(q) - '{id,unique_key,created_at,available_at}'::text[] || jsonb_build_object('due', available_at = created_at))::text
				FROM sluice.execution_queue q WHERE id = ANY ($1)`, ids), 1)
			for _, id := range ids {
				require.EqualValues(t, 7, id.Version())
			}
		})
	}
}

// The definition is looked up by the statement that inserts; what makes it insert nothing is then told.
func TestARefusalInATransactionLeavesItToTheCaller(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	first, err := b.app.EnqueueTx(t.Context(), tx, b.item())
	require.NoError(t, err)
	savepoint, err := tx.Begin(t.Context())
	require.NoError(t, err)
	foreign := b.item()
	foreign.DefinitionID = uuid.New()
	_, err = b.app.EnqueueTx(t.Context(), savepoint, foreign)
	require.ErrorIs(t, err, queue.ErrUnknownDefinition)
	require.NoError(t, savepoint.Rollback(t.Context()))
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []uuid.UUID{first.QueueID}, list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue`))
}

func TestEnqueueRefusesWithAReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, foreign := b.newWorkspace(t, "globex", "FREE")
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
		"input is not UTF-8":      {input("{\"a\": \"\xff\"}"), queue.ErrInvalid, "UTF8"},
		"input has a huge number": {input(`{"a": 1e999999}`), queue.ErrInvalid, "numeric"},
		"priority too high":       {func(i *queue.Item) { i.Priority = 6 }, queue.ErrInvalid, "not 6"},
		"priority too low":        {func(i *queue.Item) { i.Priority = -1 }, queue.ErrInvalid, "not -1"},
		"key too long":            {func(i *queue.Item) { i.UniqueKey = strings.Repeat("k", 513) }, queue.ErrInvalid, "512 bytes, not 513"},
		"key with a NUL":          {func(i *queue.Item) { i.UniqueKey = "a\x00" }, queue.ErrInvalid, "UTF8"},
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
			_, err := b.app.Enqueue(t.Context(), item)
			require.ErrorIs(t, err, tt.wantKind)
			require.ErrorContains(t, err, tt.wantMessage)
			var refused *queue.RequestError
			require.True(t, errors.As(err, &refused), "a caller can tell it from a failure of the database")

			_, err = b.app.EnqueueMany(t.Context(), []queue.Item{b.item(), item, b.item()})
			require.ErrorIs(t, err, tt.wantKind, "many are held to the same rules as one")
		})
	}
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.queue_items`), "all or nothing, and nothing of what was refused")
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.unique_keys`))
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
	require.JSONEq(t, string(item.Input), string(b.view(t, b.enqueue(t, item)).Input))
}

func TestInputOfExactly256KiBIsTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sized := func(bytes int) json.RawMessage {
		const frame = `{"a":""}`
		return json.RawMessage(`{"a":"` + strings.Repeat("x", bytes-len(frame)) + `"}`)
	}
	item := b.item()
	item.Input = append(json.RawMessage("  \n"), sized(queue.MaxInputBytes)...) // white space does not count
	b.enqueue(t, item)
	_, err := b.app.EnqueueMany(t.Context(), []queue.Item{item})
	require.NoError(t, err)

	item.Input = sized(queue.MaxInputBytes + 1)
	_, err = b.app.Enqueue(t.Context(), item)
	require.ErrorIs(t, err, queue.ErrInvalid)
	require.ErrorContains(t, err, "262145 bytes, at most 262144 (256 KiB)")
	_, err = b.app.EnqueueMany(t.Context(), []queue.Item{item})
	require.ErrorIs(t, err, queue.ErrInvalid)
}

func TestARolledBackEnqueueIsNeverSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := b.begin(t)
	answer, err := b.app.EnqueueTx(t.Context(), tx, b.item())
	require.NoError(t, err)
	require.Empty(t, b.claim(t, 5), "not committed yet")
	require.NoError(t, tx.Rollback(t.Context()))

	require.Empty(t, b.claim(t, 5))
	_, err = b.app.Item(t.Context(), answer.QueueID)
	require.ErrorIs(t, err, queue.ErrUnknownItem)
}

// A lock timeout on every other party proves that an open transaction makes nobody wait.
func TestAnOpenEnqueueTxMakesNobodyWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''1s''', current_database()); END $$`)
	b.pool.Reset()
	b.dispatcher.Pool().Reset()
	tx := b.begin(t)
	item := b.item()
	item.UniqueKey = "held"
	held, err := b.app.EnqueueTx(t.Context(), tx, item)
	require.NoError(t, err)
	_, err = b.app.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), b.item()})
	require.NoError(t, err)

	want := b.enqueue(t, b.item())
	item.UniqueKey = "another"
	wantSecond := b.enqueue(t, item)
	require.Equal(t, []uuid.UUID{want, wantSecond}, b.claim(t, 4), "the claim passes over what is not committed")
	b.dispatch(t, want)
	require.True(t, b.end(t, want, "COMPLETED"))
	_, err = b.app.SetPlan(t.Context(), b.workspace, "PRO", "ann")
	require.NoError(t, err)
	_, err = b.app.SetPlan(t.Context(), b.workspace, "STARTER", "ann")
	require.NoError(t, err)
	_, err = b.app.ApplyDefinition(t.Context(), b.workspace, graph("greet", 2), "ann")
	require.NoError(t, err)
	_, err = b.dispatcher.Expire(t.Context(), 10)
	require.NoError(t, err)

	require.NoError(t, tx.Commit(t.Context()))
	require.Contains(t, b.claim(t, 5), held.QueueID)
	b.checkInvariants(t)
}
