package queue_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// An application's pool may ask for a stricter isolation level than ours do.
func TestStricterIsolationOfAnApplicationIsNoError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, level := range []string{"repeatable read", "serializable"} {
		q := queue.New(b.open(t, func(c *pgxpool.Config) { c.ConnConfig.RuntimeParams["default_transaction_isolation"] = level }))
		var callers errgroup.Group
		first := make([][]uuid.UUID, 16)
		for caller := range first {
			callers.Go(func() error {
				for n := range 15 {
					item := b.item()
					item.UniqueKey = fmt.Sprint(level, n)
					answer, err := q.Enqueue(t.Context(), item)
					if err != nil {
						return err
					}
					first[caller] = append(first[caller], answer.QueueID)
					many, err := q.EnqueueMany(t.Context(), []queue.Item{item, b.item()})
					if err != nil {
						return err
					}
					if _, err := q.Cancel(t.Context(), many[1].QueueID, "ann", ""); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, callers.Wait(), level)
		for caller := range first {
			require.Equal(t, first[0], first[caller], level)
		}
	}
}

// The session of an application may write and read dates, intervals and bytes in its own way.
func TestSettingsOfAnApplicationAreNoError(t *testing.T) {
	t.Parallel()
	b := setup(t)
	q := queue.New(b.open(t, func(c *pgxpool.Config) {
		for name, value := range map[string]string{"DateStyle": "SQL, DMY", "IntervalStyle": "sql_standard", "TimeZone": "Asia/Kathmandu", "bytea_output": "escape",
			"extra_float_digits": "-15", "search_path": "nowhere", "array_nulls": "off", "default_transaction_deferrable": "on", "lock_timeout": "5s"} {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}))
	item := b.item()
	keep := 36*time.Hour + 1500*time.Millisecond
	item.UniqueKey, item.UniqueFor, item.AvailableAt, item.ExpiresAt = "k", keep, inFuture(), inFuture().Add(time.Hour)
	answers, err := q.EnqueueMany(t.Context(), []queue.Item{item, b.item()})
	require.NoError(t, err)
	state, err := q.Get(t.Context(), answers[0].QueueID)
	require.NoError(t, err)
	require.True(t, item.AvailableAt.Equal(state.AvailableAt))
	require.Equal(t, keep, one[time.Duration](t, b.pool, `SELECT keep FROM sluice.unique_keys`))
	states, err := q.List(t.Context(), queue.Filter{WorkspaceID: b.workspace})
	require.NoError(t, err)
	require.Len(t, states, 2)
	status, err := q.Cancel(t.Context(), answers[0].QueueID, "ann", "")
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", status)
}
