package facts_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

// capacity is that of the one shard there is.
func (b *bundle) capacity(t *testing.T, most int, workspaces ...uuid.UUID) facts.Capacity {
	t.Helper()
	all, err := facts.Capacities(t.Context(), b.pool, most, workspaces...)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func TestCapacityOfAnEmptyQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got := b.capacity(t, 10)
	require.Empty(t, got.Workspaces)
	require.Empty(t, got.Cohorts)
	require.Nil(t, got.Limit)
	require.WithinDuration(t, time.Now(), got.Now, time.Minute)
}

func TestCapacityTellsUsageAndBacklog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 6)
	b.claim(t, ids[0])
	b.run(t, ids[1])
	for i, priority := range []int{1, 5} {
		b.enqueue(t, item{b.workspace, b.definition, priority, time.Hour + time.Duration(1-i)*time.Minute})
	}
	b.exec(t, `INSERT INTO sluice.virtual_times VALUES ($1, 7, 8, 1.5, '2026-01-01')`, b.workspace)
	b.exec(t, `UPDATE sluice.workspaces SET starts_per_second = 2`)
	times := list[time.Time](t, b.pool, `SELECT available_at FROM sluice.pending ORDER BY available_at`)
	got := b.capacity(t, 3)
	require.Len(t, got.Workspaces, 1)
	require.True(t, got.Workspaces[0].TokensAt.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)))
	got.Workspaces[0].TokensAt = nil
	require.Equal(t, facts.WorkspaceCapacity{
		WorkspaceID: b.workspace, Limit: 5, Nominal: 5, Weight: 2, Used: 2, Ready: 3, StartsPerSecond: new(2.0), Burst: new(2), Since: &times[0],
		Own: 7, Borrowed: 8, Tokens: new(1.5),
	}, got.Workspaces[0])
}

func TestReadyIsCountedUpToANumberOverAllPriorities(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for n := range 20 {
		b.enqueue(t, item{b.workspace, b.definition, 1 + n%5, 0})
	}
	for most, want := range map[int]int{1: 1, 4: 4, 6: 6, 20: 20, 100: 20} {
		require.Equal(t, want, b.capacity(t, most).Workspaces[0].Ready, "counted up to %d", most)
	}
}

// Hopping through the index finds what a full count finds, in whichever shard.
func TestCapacityAgreesWithANaiveCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type row struct {
		Shard     int
		Workspace uuid.UUID
		Ready     int
		Used      int
	}
	type cohort struct {
		Name          string
		Nominal, Used int
		Own, OwnClock int64
	}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b.exec(t, `TRUNCATE sluice.pending, sluice.running, sluice.clocks, sluice.workspaces CASCADE`)
		b.exec(t, `UPDATE sluice.settings SET shards = $1, max_concurrent_workflows = $2`, 1+rnd.IntN(4), []any{nil, 3, 1000}[rnd.IntN(3)])
		b.exec(t, fmt.Sprintf(`SELECT setseed(0.%d)`, seed))
		b.exec(t, `INSERT INTO sluice.workspaces (id, name, plan, cohort)
			SELECT gen_random_uuid(), 'w' || n, (ARRAY['FREE', 'STARTER', 'PRO'])[1 + n % 3], CASE WHEN random() < 0.4 THEN 'c' || n % 4 END
			FROM generate_series(1, $1::int) AS n`, 1+rnd.IntN(12))
		b.exec(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
			SELECT gen_random_uuid(), w.id, gen_random_uuid(), 1 + floor(random() * 5), now() + (random() - 0.5) * interval '2 days', 'x'
			FROM sluice.workspaces w, generate_series(1, $1::int) WHERE random() < 0.4`, rnd.IntN(30))
		b.exec(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by)
			VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'orphan')`)
		b.exec(t, `INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), id, gen_random_uuid(), 3, 0, 1, now(), now(), now(), 'x', 'x' FROM sluice.workspaces, generate_series(1, 5) WHERE random() < 0.5`)
		b.exec(t, `INSERT INTO sluice.clocks SELECT shard, 'c1', 11, 12, 13, 14 FROM generate_series(0, 3) AS shard UNION ALL SELECT shard, '', shard, 0, 0, 0 FROM generate_series(0, 3) AS shard`)

		most := 1 + rnd.IntN(8)
		shards := one[int](t, b.pool, `SELECT shards FROM sluice.settings`)
		want, cohorts := make([][]row, shards), make([][]cohort, shards)
		rows, err := b.pool.Query(t.Context(), `
			SELECT sluice.shard_of(w.id, w.cohort, $2), q.workspace_id, least(count(*) FILTER (WHERE available_at <= now()), $1)::int,
			       (SELECT count(*) FROM sluice.running r WHERE r.workspace_id = q.workspace_id)::int
			FROM sluice.pending q JOIN sluice.workspaces w ON w.id = q.workspace_id GROUP BY w.id, q.workspace_id ORDER BY 2`, most, shards)
		require.NoError(t, err)
		for rows.Next() {
			var r row
			require.NoError(t, rows.Scan(&r.Shard, &r.Workspace, &r.Ready, &r.Used))
			want[r.Shard] = append(want[r.Shard], r)
		}
		require.NoError(t, rows.Err())
		rows, err = b.pool.Query(t.Context(), `
			SELECT sluice.shard_of(NULL, q.cohort, $1), q.cohort, sum(q.nominal)::int, (SELECT count(*)::int FROM sluice.running r
			       JOIN sluice.workspaces w ON w.id = r.workspace_id WHERE w.cohort = q.cohort)
			FROM sluice.quotas q WHERE q.cohort IS NOT NULL GROUP BY q.cohort ORDER BY 2`, shards)
		require.NoError(t, err)
		for rows.Next() {
			var shard int
			var c cohort
			require.NoError(t, rows.Scan(&shard, &c.Name, &c.Nominal, &c.Used))
			if c.Name == "c1" {
				c.Own, c.OwnClock = 13, 11
			}
			cohorts[shard] = append(cohorts[shard], c)
		}
		require.NoError(t, rows.Err())

		all, err := facts.Capacities(t.Context(), b.pool, most)
		require.NoError(t, err)
		require.Len(t, all, shards)
		used := one[int](t, b.pool, `SELECT CASE WHEN max_concurrent_workflows IS NULL THEN 0 ELSE (SELECT count(*) FROM sluice.running) END FROM sluice.settings`)
		for shard, c := range all {
			require.Equal(t, shard, c.Shard)
			require.EqualValues(t, shard, c.OwnClock)
			require.Equal(t, used, c.Used, "of the whole fleet")
			var got []row
			for _, w := range c.Workspaces {
				got = append(got, row{w.Shard, w.WorkspaceID, w.Ready, w.Used})
			}
			require.Equal(t, want[shard], got, "seed %d", seed)
			var gotCohorts []cohort
			for _, k := range c.Cohorts {
				gotCohorts = append(gotCohorts, cohort{k.Cohort, k.Nominal, k.Used, k.Own, k.OwnClock})
			}
			require.Equal(t, cohorts[shard], gotCohorts, "seed %d", seed)
			for _, w := range c.Workspaces { // of one alone it is the same
				alone, err := facts.Capacities(t.Context(), b.pool, most, w.WorkspaceID)
				require.NoError(t, err)
				require.Equal(t, []facts.WorkspaceCapacity{w}, alone[shard].Workspaces)
			}
		}
	}
}

// The backlog may be long, and what is scheduled may stand before what is ready.
func TestCapacityCostsByTheWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.workspaces (name, plan) SELECT 'w' || n, 'STARTER' FROM generate_series(1, 49) AS n`)
	b.exec(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
		SELECT sluice.uuid_v7(), w.id, gen_random_uuid(), CASE WHEN n <= 200 THEN 1 ELSE 3 END,
		       now() + CASE WHEN n <= 200 THEN interval '1 day' ELSE interval '-1 hour' END, 'x'
		FROM sluice.workspaces w, generate_series(1, 400) AS n`)
	require.Equal(t, 20_000, one[int](t, b.pool, `SELECT count(*)::int FROM sluice.pending`))
	for _, statistics := range []string{"before", "after"} {
		if statistics == "after" {
			b.exec(t, `ANALYZE sluice.pending, sluice.workspaces`)
		}
		for _, mode := range []string{custom, generic} {
			// Of each workspace a hop, the first of two priorities, and ten ready ones.
			rows := b.read(t, mode, facts.CapacityWorkspacesSQL, nil, 10)["pending"]
			require.LessOrEqual(t, rows, 50*(1+2+10+5.0), "%s statistics, %s", statistics, mode)
			rows = b.read(t, mode, facts.CapacityWorkspacesSQL, []uuid.UUID{b.workspace}, 10)["pending"]
			require.LessOrEqual(t, rows, 20.0, "%s statistics, %s", statistics, mode)
		}
	}
}

// A workspace whose items all have one priority costs no look at the four other lines but where ready items are counted.
func TestCapacityLooksAtLinesThatThereAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ranForAMonth(t)
	most := one[float64](t, b.pool, `SELECT 2 + count(DISTINCT (workspace_id, priority)) + 5 * count(DISTINCT workspace_id)::float8 FROM sluice.pending`)
	for _, mode := range []string{custom, generic} {
		looks := 0.0
		b.explain(t, mode, facts.CapacityWorkspacesSQL, nil, 1).walk(func(n planNode) {
			if n.RelationName == "pending" {
				looks += n.ActualLoops
			}
		})
		// Of a line the first item, and of a workspace at most five looks for one that is ready.
		require.LessOrEqual(t, looks, most, mode)
	}
}

func TestInputIsWhatThePolicyTakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = 9`)
	b.exec(t, `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 3, borrowing_limit = 1, starts_per_second = 0.5`)
	ids := b.enqueueN(t, 3)
	b.claim(t, ids[0])
	capacity := b.capacity(t, 10)
	in := capacity.Input(7)
	require.Equal(t, 7, in.Batch)
	require.Equal(t, 9, in.Global.Limit)
	require.Equal(t, 1, in.Global.Used)
	require.Equal(t, "eu", in.Cohorts[0].Name)
	require.Equal(t, 3, in.Cohorts[0].Limit)
	require.Equal(t, 1, in.Cohorts[0].Used)
	w := in.Workspaces[0]
	require.Zero(t, w.Cohort)
	require.Equal(t, []int{5, 3, 1, 1, 2, 2, 1}, []int{w.Ceiling, w.Nominal, w.BorrowingLimit, w.Used, w.Ready, w.Weight, w.Burst})
	b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = NULL`)
	capacity = b.capacity(t, 10)
	require.Greater(t, capacity.Input(7).Global.Limit, math.MaxInt32-1)
}
