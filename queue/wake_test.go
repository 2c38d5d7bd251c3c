package queue_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// listen returns a function that returns what was sent to dispatchers since it was last called, each notification once.
func (b *bundle) listen(t *testing.T) (heard func() []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	_, err = conn.Exec(t.Context(), `LISTEN sluice_events`)
	require.NoError(t, err)
	return func() []string {
		_, err := conn.Exec(t.Context(), `SELECT pg_notify('sluice_events', 'end')`) // comes after what was committed before
		require.NoError(t, err)
		heard := []string{}
		for {
			n, err := conn.WaitForNotification(t.Context())
			require.NoError(t, err)
			if n.Payload == "end" {
				slices.Sort(heard)
				return slices.Compact(heard)
			}
			heard = append(heard, n.Payload)
		}
	}
}

func TestEachWayInWakesADispatcherThatWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	heard := b.listen(t)
	keyed := func() queue.Item {
		item := b.item()
		item.UniqueKey, item.UniqueFor, item.AvailableAt = "k", queue.UntilEnded, inFuture()
		return item
	}
	inTx := func(enqueue func(tx pgx.Tx) error) error {
		return pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
			err := enqueue(tx)
			require.Empty(t, heard(), "not committed yet")
			return err
		})
	}
	for name, enqueue := range map[string]func() error{
		"one":        func() error { _, err := b.queue.Enqueue(t.Context(), b.item()); return err },
		"with a key": func() error { _, err := b.queue.Enqueue(t.Context(), keyed()); return err },
		"many":       func() error { _, err := b.queue.EnqueueMany(t.Context(), items(b.item(), 3)); return err },
		"mixed": func() error {
			_, err := b.queue.EnqueueMany(t.Context(), []queue.Item{b.item(), keyed()})
			return err
		},
		"one in a transaction": func() error {
			return inTx(func(tx pgx.Tx) error { _, err := b.queue.EnqueueTx(t.Context(), tx, b.item()); return err })
		},
		"with a key in a transaction": func() error {
			return inTx(func(tx pgx.Tx) error { _, err := b.queue.EnqueueTx(t.Context(), tx, keyed()); return err })
		},
		"many in a transaction": func() error {
			return inTx(func(tx pgx.Tx) error {
				_, err := b.queue.EnqueueManyTx(t.Context(), tx, items(b.item(), 3))
				return err
			})
		},
	} {
		require.NoError(t, enqueue(), name)
		require.Empty(t, heard(), "%s: no dispatcher waits", name)
		b.exec(t, `TRUNCATE sluice.pending`)
		b.exec(t, `INSERT INTO sluice.listeners (shard, token) VALUES (0, gen_random_uuid())`)
		require.NoError(t, enqueue(), name)
		require.Equal(t, []string{""}, heard(), name)
		b.exec(t, `TRUNCATE sluice.pending, sluice.listeners`)
	}
}

func TestManyWakeTheDispatchersOfTheirShards(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.settings SET shards = 4`)
	b.exec(t, `INSERT INTO sluice.listeners (shard, token) SELECT generate_series(0, 3), gen_random_uuid()`)
	heard := b.listen(t)
	for n := range 6 {
		var asked []queue.Item
		for range n + 1 {
			workspace, definition := b.newWorkspace(t, "x")
			asked = append(asked, queue.Item{WorkspaceID: workspace, DefinitionID: definition})
		}
		_, err := b.queue.EnqueueMany(t.Context(), asked)
		require.NoError(t, err)
		require.Equal(t, list[string](t, b.pool, `SELECT DISTINCT sluice.shard_of(workspace_id, NULL, 4)::text FROM sluice.pending ORDER BY 1`), heard())
		b.exec(t, `TRUNCATE sluice.pending`)
	}
}
