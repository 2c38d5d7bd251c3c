package catalog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/schema"
)

func setup(t *testing.T) *pgxpool.Pool {
	t.Helper()
	db, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 10)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

func values[T any](t *testing.T, db store.DB, sql string, args ...any) []T {
	t.Helper()
	list, err := store.Values[T](t.Context(), db, sql, args...)
	require.NoError(t, err)
	return list
}

func setShards(t *testing.T, db store.DB, n int) {
	t.Helper()
	require.NoError(t, catalog.SetShards(t.Context(), db, n, "ann"))
}

// own has a run own a shard.
func own(t *testing.T, db store.DB, shard int, run string) {
	t.Helper()
	_, err := db.Exec(t.Context(), `INSERT INTO sluice.dispatchers (shard, run_id) VALUES ($1, $2) ON CONFLICT (shard) DO UPDATE SET run_id = $2`, shard, run)
	require.NoError(t, err)
}

func TestShardsAreOneToSixtyFour(t *testing.T) {
	t.Parallel()
	db := setup(t)
	n, err := catalog.Shards(t.Context(), db)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	for _, n := range []int{catalog.MaxShards, 1} {
		setShards(t, db, n)
		got, err := catalog.Shards(t.Context(), db)
		require.NoError(t, err)
		require.Equal(t, n, got)
	}
	for _, n := range []int{-1, 0, catalog.MaxShards + 1} {
		err := catalog.SetShards(t.Context(), db, n, "ann")
		require.ErrorIs(t, err, store.ErrInvalid)
		require.ErrorContains(t, err, "shards must be 1 to 64, got ")
	}
}

// No claim that was planned before the change succeeds, whichever shard it is of: the new number may be smaller.
func TestSetShardsTakesATurnOfEveryShard(t *testing.T) {
	t.Parallel()
	db := setup(t)
	setShards(t, db, 3)
	require.Equal(t, []int{64}, values[int](t, db, `SELECT count(DISTINCT shard) FROM sluice.turns WHERE kind = 'owners'`))
	require.Equal(t, []string{"ann 3"}, values[string](t, db, `SELECT actor || ' ' || (details ->> 'shards') FROM sluice.limit_changes WHERE action = 'settings-changed'`))
	require.Equal(t, []int{0, 1, 2}, values[int](t, db, `SELECT shard FROM sluice.dispatchers ORDER BY shard`), "they are known from now on")
	setShards(t, db, 3)
	require.Equal(t, []int{64}, values[int](t, db, `SELECT count(*) FROM sluice.turns WHERE kind = 'owners'`), "no change, no turn")
}

func TestSetShardsWaitsForAClaimAndChangesNothingIfItTakesTooLong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  bool
		want int
	}{"the claim ends": {true, 2}, "it does not": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := setup(t)
			claim, err := db.Begin(t.Context())
			require.NoError(t, err)
			defer func() { _ = claim.Rollback(context.Background()) }()
			_, err = claim.Exec(t.Context(), `INSERT INTO sluice.turns (shard, turn, kind) VALUES (0, 1, 'claim')`)
			require.NoError(t, err)
			changed := make(chan error, 1)
			go func() { changed <- catalog.SetShards(context.WithoutCancel(t.Context()), db, 2, "ann") }()
			require.Eventually(t, func() bool {
				return values[bool](t, db, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)[0]
			}, 30*time.Second, time.Millisecond)
			require.Empty(t, changed)
			if tt.end {
				require.NoError(t, claim.Commit(t.Context()))
				require.NoError(t, <-changed)
			} else {
				err := <-changed
				require.ErrorIs(t, err, store.ErrBusy)
				require.ErrorContains(t, err, "nothing was changed (try again")
			}
			n, err := catalog.Shards(t.Context(), db)
			require.NoError(t, err)
			require.Equal(t, tt.want, n)
		})
	}
}

func TestAShardIsInUseUntilItsDispatcherHasRetired(t *testing.T) {
	t.Parallel()
	db := setup(t)
	inUse := func(want ...int) {
		t.Helper()
		got, err := catalog.ShardsInUse(t.Context(), db)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	retire := func(shard int, run string, want bool) {
		t.Helper()
		got, err := catalog.Retire(t.Context(), db, shard, run)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	inUse(0)
	setShards(t, db, 3)
	inUse(0, 1, 2)
	own(t, db, 2, "run")
	retire(2, "run", false)
	setShards(t, db, 1)
	inUse(0, 1, 2)
	_, err := catalog.Retire(t.Context(), db, 2, "another run")
	require.ErrorIs(t, err, store.ErrFenced)
	_, err = catalog.Retire(t.Context(), db, 7, "run")
	require.ErrorIs(t, err, store.ErrFenced, "nothing is known of the shard")
	retire(2, "run", true)
	inUse(0, 1)

	setShards(t, db, 3) // it comes back while the run ends
	retire(2, "run", true)
	run, err := catalog.RetiredRun(t.Context(), db, 2)
	require.NoError(t, err)
	require.Equal(t, "run", run)
	for _, shard := range []int{1, 63} {
		run, err = catalog.RetiredRun(t.Context(), db, shard)
		require.NoError(t, err)
		require.Empty(t, run)
	}
	own(t, db, 2, "next run")
	retire(2, "next run", false)
	setShards(t, db, 1)
	inUse(0, 1, 2)
}

// Each workspace belongs to one shard, all shards have some, and the members of a cohort stay together.
func TestWorkspacesAreSharedOutByIDAndCohort(t *testing.T) {
	t.Parallel()
	db := setup(t)
	_, err := db.Exec(t.Context(), `INSERT INTO sluice.workspaces (name, cohort) SELECT 'w' || n, CASE WHEN n % 4 = 0 THEN 'c' || n % 400 END FROM generate_series(1, 4000) AS n`)
	require.NoError(t, err)
	for _, n := range []int{1, 2, 3, 7, 64} {
		owners := values[int](t, db, `SELECT DISTINCT sluice.shard_of(id, cohort, $1) AS shard FROM sluice.workspaces ORDER BY shard`, n)
		require.Equal(t, 0, owners[0])
		require.Equal(t, n-1, slices.Max(owners))
		require.Len(t, owners, n)
		require.Empty(t, values[string](t, db, `SELECT cohort FROM sluice.workspaces GROUP BY cohort
			HAVING cohort IS NOT NULL AND count(DISTINCT sluice.shard_of(id, cohort, $1)) > 1`, n))
	}
}
