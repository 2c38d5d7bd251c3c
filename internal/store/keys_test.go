package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func (b *bundle) keys(t *testing.T) []string {
	t.Helper()
	return list[string](t, b.db, `SELECT unique_key FROM sluice.unique_keys ORDER BY workspace_id, unique_key`)
}

func (b *bundle) pruneKeys(t *testing.T, after store.UniqueKey, most int) (int64, store.UniqueKey) {
	t.Helper()
	n, last, err := store.PruneKeys(t.Context(), b.db, after, most)
	require.NoError(t, err)
	return n, last
}

func TestOnlyKeysThatHoldNoLongerAreDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	window := 10 * time.Minute
	b.enqueueUnique(t, "pending", new(time.Duration(0)))
	b.claim(t, b.enqueueUnique(t, "claimed", new(time.Duration(0))))
	b.dispatch(t, b.enqueueUnique(t, "running", new(time.Duration(0))))
	b.run(t, b.enqueueUnique(t, "retained", nil))
	b.run(t, b.enqueueUnique(t, "in its window", &window))
	b.run(t, b.enqueueUnique(t, "over", &window))
	b.exec(t, `UPDATE sluice.ended SET ended_at = ended_at - interval '11 minutes' WHERE unique_key = 'over'`)
	b.run(t, b.enqueueUnique(t, "deleted by hand", nil))
	b.exec(t, `DO $$ BEGIN EXECUTE 'DELETE FROM ' || (SELECT tableoid::regclass FROM sluice.ended WHERE unique_key = 'deleted by hand')
		|| ' WHERE unique_key = ''deleted by hand'''; END $$`) // of the partition, which tells nobody
	n, last := b.pruneKeys(t, store.UniqueKey{}, 100)
	require.EqualValues(t, 2, n)
	require.Zero(t, last, "that was the last page")
	require.Equal(t, []string{"claimed", "in its window", "pending", "retained", "running"}, b.keys(t))
}

func TestKeysAreLookedAtPageByPage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 7 {
		id := b.enqueueUnique(t, fmt.Sprint(i), new(time.Duration(0)))
		if i%2 == 0 {
			b.run(t, id)
		}
	}
	var after store.UniqueKey
	var deleted []int64
	for range 3 {
		n, last := b.pruneKeys(t, after, 3)
		deleted, after = append(deleted, n), last
	}
	require.Equal(t, []int64{2, 1, 1}, deleted)
	require.Zero(t, after)
	require.Equal(t, []string{"1", "3", "5"}, b.keys(t))
}

// An application enqueues in a transaction that stays open: its key is neither waited for nor deleted.
func TestAKeyThatAnEnqueueTakesOverIsKept(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, b.enqueueUnique(t, "k", new(time.Duration(0))))
	tx := b.begin(t)
	second := one[uuid.UUID](t, tx, `SELECT (sluice.enqueue($1, $2, unique_key => 'k') ->> 'queueId')::uuid`, b.workspace, b.definition)
	n, _ := b.pruneKeys(t, store.UniqueKey{}, 10)
	require.Zero(t, n)
	require.NoError(t, tx.Commit(t.Context()))
	n, _ = b.pruneKeys(t, store.UniqueKey{}, 10)
	require.Zero(t, n)
	require.Equal(t, second, b.enqueueUnique(t, "k", nil), "it answers for the key")
}

// interrupted is a pool in which something happens before a transaction begins.
type interrupted struct {
	*pgxpool.Pool
	by func()
}

func (i interrupted) BeginTx(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	i.by()
	return i.Pool.BeginTx(ctx, options)
}

func TestAKeyIsLookedAtAgainBeforeItIsDeleted(t *testing.T) {
	t.Parallel()
	for name, happens := range map[string]func(t *testing.T, b *bundle, first uuid.UUID){
		"another item has the key": func(t *testing.T, b *bundle, _ uuid.UUID) { b.enqueueUnique(t, "k", new(time.Duration(0))) },
		"its item runs again":      func(t *testing.T, b *bundle, first uuid.UUID) { require.True(t, b.reopen(t, secondRun(first))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			first := b.enqueueUnique(t, "k", new(time.Duration(0)))
			b.run(t, first)
			n, _, err := store.PruneKeys(t.Context(), interrupted{b.db, func() { happens(t, b, first) }}, store.UniqueKey{}, 10)
			require.NoError(t, err)
			require.Zero(t, n)
			require.Equal(t, []string{"k"}, b.keys(t))
		})
	}
}
