package whatif_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/whatif"
	"sluice/schema"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func database(t *testing.T) (*pgxpool.Pool, *admin.Client) {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool, admin.New(pool)
}

func workspace(t *testing.T, office *admin.Client, name, plan string) uuid.UUID {
	t.Helper()
	w, err := office.CreateWorkspace(t.Context(), name, plan, "ann")
	require.NoError(t, err)
	return w.ID
}

// ran puts executions of ten seconds on record: one each so many seconds, from a time on.
func ran(t *testing.T, pool *pgxpool.Pool, workspace uuid.UUID, n, every int, from time.Time) {
	t.Helper()
	_, err := pool.Exec(t.Context(), `INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority,
			attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
		SELECT gen_random_uuid(), $1, 'Order', 'q', 'COMPLETED', 3, 0, at, at, at, at, at + interval '10 seconds', 'x', 'x'
		FROM (SELECT $4::timestamptz + make_interval(secs => $3::int * i) FROM generate_series(0, $2 - 1) AS i) AS t (at)`, workspace, n, every, from)
	require.NoError(t, err)
}

// ago is a time so many minutes ago, to the second.
func ago(minutes int) time.Time {
	return time.Now().Add(-time.Duration(minutes) * time.Minute).Truncate(time.Second)
}

func play(t *testing.T, pool *pgxpool.Pool, other whatif.Other) whatif.Comparison {
	t.Helper()
	c, err := whatif.Play(t.Context(), pool, whatif.Question{Since: 2 * time.Hour, Most: 1000, Batch: 128, Other: other})
	require.NoError(t, err)
	return c
}

// naive is how long each of n executions of ten seconds, one each so many seconds, waits for one of so many slots.
func naive(n, every, slots int) (waits []time.Duration) {
	free := make([]int, slots) // when each is
	for i := range n {
		best := 0
		for s := range free {
			if free[s] < free[best] {
				best = s
			}
		}
		start := max(free[best], i*every)
		free[best] = start + 10
		waits = append(waits, time.Duration(start-i*every)*time.Second)
	}
	return waits
}

func TestHalfTheLimitGivesTheWaitsOfHalfTheSlots(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	acme, globex := workspace(t, office, "acme", "FREE"), workspace(t, office, "globex", "PRO")
	from := ago(60)
	ran(t, pool, acme, 30, 3, from)
	ran(t, pool, globex, 20, 1, from.Add(-10*time.Minute))
	half := admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: new(1)}}
	for name, other := range map[string]whatif.Other{
		"of the plan":      {Plans: map[string]admin.WorkspaceChange{"FREE": half}},
		"of the workspace": {Workspaces: map[uuid.UUID]admin.WorkspaceChange{acme: half}},
	} {
		c := play(t, pool, other)
		require.Equal(t, 50, c.Executions, name)
		require.False(t, c.CutOff)
		require.Equal(t, "acme", c.Workspaces[0].Name, "the longest waits first")
		v := c.Of(acme, 10)
		require.Equal(t, 30, v.Executions)
		require.Equal(t, from, v.From.Local(), "its own first execution, not that of the others")
		for slots, side := range map[int]whatif.ViewSide{2: v.Now, 1: v.Then} {
			waits := naive(30, 3, slots)
			require.Equal(t, slots, side.Limit)
			require.Equal(t, waits[29], side.Waits.Max, "they grow from one to the next")
			require.Equal(t, waits[14], side.Waits.P50)
			lasts := 29*3*time.Second + waits[29] + 10*time.Second
			require.Equal(t, lasts, side.Lasts)
			require.InDelta(t, 300/lasts.Seconds()/float64(slots), side.Utilisation, 1e-9)
			require.Len(t, side.Course.Running, 10)
			sum, waited := 0.0, 0.0
			for i := range 10 {
				sum, waited = sum+side.Course.Running[i]*v.Step.Seconds(), waited+side.Course.Waiting[i]*v.Step.Seconds()
			}
			require.InDelta(t, 300, sum, 1e-3, "thirty times ten seconds")
			total := 0.0
			for _, w := range waits {
				total += w.Seconds()
			}
			require.InDelta(t, total, waited, 1e-3)
		}
		require.Equal(t, c.Of(globex, 10).Now, c.Of(globex, 10).Then, "%s: nobody else waits otherwise", name)
	}
}

func TestTheLimitsAsTheyAreAreThoseOfTheView(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	id := workspace(t, office, "acme", "PRO")
	ran(t, pool, id, 1, 1, ago(5))
	_, err := office.SetTier(t.Context(), "PRO", admin.TierChange{StartsPerSecond: &admin.Change[float64]{To: new(2.5)}, LendingLimit: &admin.Change[int]{To: new(3)}}, "ann")
	require.NoError(t, err)
	_, err = office.SetWorkspace(t.Context(), id, admin.WorkspaceChange{Weight: &admin.Change[int]{To: new(7)}, NominalQuota: &admin.Change[int]{To: new(4)}, Cohort: &admin.Change[string]{To: new("eu")}}, "ann")
	require.NoError(t, err)
	_, err = office.SetWorkspaceFor(t.Context(), id, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: new(3)}, BorrowingLimit: &admin.Change[int]{To: new(1)}}, admin.Term{For: time.Hour}, "ann", "")
	require.NoError(t, err)
	var ceiling, nominal, borrowing, weight, burst, lending int
	var rate float64
	var cohort string
	require.NoError(t, pool.QueryRow(t.Context(), `SELECT ceiling, nominal, borrowing_limit, weight, starts_per_second, burst, lending_limit, cohort FROM sluice.quotas WHERE workspace_id = $1`, id).
		Scan(&ceiling, &nominal, &borrowing, &weight, &rate, &burst, &lending, &cohort))

	w := play(t, pool, whatif.Other{}).Now.Config.Workspaces[0]
	require.Equal(t, []int{3, 3, 1, 7, 3, 3}, []int{ceiling, nominal, borrowing, weight, burst, lending})
	require.Equal(t, []int{ceiling, nominal, borrowing, weight, burst, lending}, []int{w.Ceiling, w.Nominal, w.BorrowingLimit, w.Weight, w.Burst, *w.LendingLimit})
	require.InDelta(t, rate, w.PerSecond, 0)
	require.Equal(t, cohort, w.Cohort)

	// To change a limit ends the one for a time, and what is taken away is the plan's.
	c := play(t, pool, whatif.Other{Workspaces: map[uuid.UUID]admin.WorkspaceChange{id: {MaxConcurrentWorkflows: &admin.Change[int]{}, Weight: &admin.Change[int]{To: new(2)}, StartsPerSecond: &admin.Change[float64]{To: new(9.0)}}}})
	require.Equal(t, w, c.Now.Config.Workspaces[0])
	w = c.Then.Config.Workspaces[0]
	require.Equal(t, 20, w.Ceiling, "PRO's")
	require.Equal(t, []int{4, 1, 2, 9}, []int{w.Nominal, w.BorrowingLimit, w.Weight, w.Burst})
}

func TestWhatALimitOfNothingNeverStarts(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	acme, globex := workspace(t, office, "acme", "FREE"), workspace(t, office, "globex", "PRO")
	ran(t, pool, acme, 5, 1, ago(30))
	ran(t, pool, globex, 5, 1, ago(30))
	c := play(t, pool, whatif.Other{Plans: map[string]admin.WorkspaceChange{"FREE": {MaxConcurrentWorkflows: &admin.Change[int]{To: new(0)}}}})
	require.Equal(t, 5, c.Then.NeverStarted)
	v := c.Of(acme, 4)
	require.Equal(t, 5, v.Then.NeverStarted)
	require.Zero(t, v.Then.Waits)
	require.Zero(t, v.Then.Lasts)
	require.InDelta(t, 5, v.Then.Course.Waiting[3], 1e-9, "they wait to the end")
	require.Equal(t, c.Of(globex, 4).Now.Waits, c.Of(globex, 4).Then.Waits)

	zero := admin.Change[int]{To: new(0)}
	require.Equal(t, 10, play(t, pool, whatif.Other{Global: &zero}).Then.NeverStarted)
	_, err := office.Set(t.Context(), admin.SettingsChange{MaxConcurrentWorkflows: &zero}, "ann")
	require.NoError(t, err)
	c = play(t, pool, whatif.Other{Global: &admin.Change[int]{}})
	require.Equal(t, []int{10, 0}, []int{c.Now.NeverStarted, c.Then.NeverStarted})
	require.Zero(t, c.Of(uuid.New(), 4), "of whom nothing has run there is nothing to see")
}

func TestOnlyTheNewestAreReadWhereThereAreMore(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	id := workspace(t, office, "acme", "FREE")
	ran(t, pool, id, 20, 1, ago(30))
	c, err := whatif.Play(t.Context(), pool, whatif.Question{Since: time.Hour, Most: 7, Batch: 128})
	require.NoError(t, err)
	require.True(t, c.CutOff)
	require.Equal(t, 7, c.Executions)
	whole, err := whatif.Play(t.Context(), pool, whatif.Question{Since: time.Hour, Most: 20, Batch: 128})
	require.NoError(t, err)
	require.False(t, whole.CutOff, "there are no more")
	all := play(t, pool, whatif.Other{})
	require.Equal(t, all.From.Add(13*time.Second), c.From)
	none, err := whatif.Play(t.Context(), pool, whatif.Question{Since: time.Minute, Most: 7, Batch: 128})
	require.NoError(t, err)
	require.Zero(t, none.Executions)
	require.True(t, none.From.IsZero())
}

func TestASimulationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	ran(t, pool, workspace(t, office, "acme", "FREE"), 20, 1, ago(30))
	c := play(t, pool, whatif.Other{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := whatif.Compare(ctx, c.Now.Config, c.Then.Config)
	require.ErrorIs(t, err, context.Canceled)
}

func TestLimitsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	pool, office := database(t)
	id := workspace(t, office, "acme", "FREE")
	whole := func(n int) *admin.Change[int] { return &admin.Change[int]{To: &n} }
	of := func(c admin.WorkspaceChange) whatif.Other {
		return whatif.Other{Workspaces: map[uuid.UUID]admin.WorkspaceChange{id: c}}
	}
	plan := func(c admin.WorkspaceChange) whatif.Other {
		return whatif.Other{Plans: map[string]admin.WorkspaceChange{"FREE": c}}
	}
	for want, other := range map[string]whatif.Other{
		"weight must be 1 to 1000, got 0":                          of(admin.WorkspaceChange{Weight: whole(0)}),
		"starts per second must be more than 0":                    of(admin.WorkspaceChange{StartsPerSecond: &admin.Change[float64]{To: new(-1.0)}}),
		"plan FREE needs a limit of concurrent workflows":          plan(admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{}}),
		"plan FREE needs a weight":                                 plan(admin.WorkspaceChange{Weight: &admin.Change[int]{}}),
		"plan FREE: max concurrent workflows must be 0":            plan(admin.WorkspaceChange{MaxConcurrentWorkflows: whole(-1)}),
		"max concurrent workflows must be 0 to 2147483647, got -1": {Global: whole(-1)},
		"ageing step must be 0 to":                                 {AgeingStep: new(-time.Second)},
		`fairness must be slot-time or starts, not "luck"`:         {Fairness: "luck"},
		`unknown plan "GOLD" (there are FREE, STARTER, PRO`:        {Plans: map[string]admin.WorkspaceChange{"GOLD": {}}},
		"unknown workspace 00000000-0000-0000-0000-000000000001":   {Workspaces: map[uuid.UUID]admin.WorkspaceChange{uuid.MustParse("00000000-0000-0000-0000-000000000001"): {}}},
	} {
		_, err := whatif.Play(t.Context(), pool, whatif.Question{Since: time.Hour, Most: 10, Batch: 128, Other: other})
		require.ErrorContains(t, err, want)
		var refused *store.RequestError
		require.ErrorAs(t, err, &refused, want)
	}
}
