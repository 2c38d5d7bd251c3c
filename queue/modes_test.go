package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// Behind a pooler an application may not be able to prepare statements.
func TestEachModeOfAPoolWorks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			pool := b.open(t, func(config *pgxpool.Config) { config.ConnConfig.DefaultQueryExecMode = mode })
			q := queue.New(pool)
			plain, keyed := b.item(), b.item()
			plain.Input = sized(5000)
			keyed.UniqueKey, keyed.UniqueFor, keyed.AvailableAt, keyed.Input = mode.String(), 3600e9, inFuture(), sized(5000)
			var ids []uuid.UUID
			single, err := q.Enqueue(t.Context(), plain)
			require.NoError(t, err)
			held, err := q.Enqueue(t.Context(), keyed)
			require.NoError(t, err)
			many, err := q.EnqueueMany(t.Context(), []queue.Item{plain, b.item(), plain})
			require.NoError(t, err)
			mixed, err := q.EnqueueMany(t.Context(), []queue.Item{keyed, plain, b.item()})
			require.NoError(t, err)
			require.Equal(t, held.QueueID, mixed[0].QueueID)
			for _, a := range append(append(many, mixed...), single) {
				ids = append(ids, a.QueueID)
			}
			for n, id := range ids {
				got, err := q.Get(t.Context(), id)
				require.NoError(t, err)
				if n == 1 || n == 5 {
					require.JSONEq(t, `{}`, string(got.Input))
				} else {
					require.JSONEq(t, string(plain.Input), string(got.Input))
				}
			}
			states, err := q.List(t.Context(), queue.Filter{WorkspaceID: b.workspace, Status: "PENDING"})
			require.NoError(t, err)
			require.NotEmpty(t, states)
			status, err := q.Cancel(t.Context(), single.QueueID, "ann", "")
			require.NoError(t, err)
			require.Equal(t, "CANCELLED", status)
		})
	}
}
