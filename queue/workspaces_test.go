package queue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestWorkspacesShowTheirUsage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	empty, _ := b.newWorkspace(t, "zeta", "FREE")
	scheduled, definition := b.newWorkspace(t, "globex", "PRO")
	b.enqueue(t, queue.Item{WorkspaceID: scheduled, DefinitionID: definition, AvailableAt: inFuture()})
	ids := b.enqueueN(t, 9)
	require.Len(t, b.claim(t, 5), 5)
	b.end(t, ids[0], "COMPLETED")
	b.end(t, ids[1], "FAILED")
	b.claim(t, 2)
	cancel(t, b, ids[8])

	got, err := b.app.Workspaces(t.Context())
	require.NoError(t, err)
	require.Positive(t, got[0].LongestMS+1)
	got[0].LongestMS = 0
	atCapacity, waiting := "at-capacity", "scheduled"
	require.Equal(t, []queue.WorkspaceUsage{
		{ID: b.workspace, Name: "acme", Plan: "STARTER", Pending: 1, Running: 5, Limit: 5, Done: 2, Reason: &atCapacity, Refused: 1, NotSuccess: 1},
		{ID: scheduled, Name: "globex", Plan: "PRO", Pending: 1, Limit: 20, Reason: &waiting},
		{ID: empty, Name: "zeta", Plan: "FREE", Limit: 2},
	}, got)
	got, err = b.app.Workspaces(t.Context(), empty, uuid.New())
	require.NoError(t, err)
	require.Len(t, got, 1)

	active, err := b.dispatcher.ActiveWorkspaces(t.Context())
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{b.workspace}, active, "neither an empty one nor one whose work is hours away")
}

func TestCreateWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.app.CreateWorkspace(t.Context(), "  globex ", "pro", "ann")
	require.NoError(t, err)
	require.Equal(t, "globex", got.Name)
	require.Equal(t, "PRO", got.Plan)
	_, err = b.app.CreateWorkspace(t.Context(), " ", "PRO", "ann")
	require.ErrorIs(t, err, queue.ErrInvalid)
	_, err = b.app.CreateWorkspace(t.Context(), "nul\x00", "PRO", "ann")
	require.ErrorIs(t, err, queue.ErrInvalid)
}

// With one connection in the pool, a question asked from inside the transaction would never be answered.
func TestAnUnknownPlanIsAnsweredWithThoseThereAre(t *testing.T) {
	t.Parallel()
	b := setup(t)
	pool, err := queue.DispatcherPool(t.Context(), b.url, 1)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	single := queue.New(pool)
	_, err = single.CreateWorkspace(t.Context(), "globex", "GOLD", "ann")
	require.ErrorIs(t, err, queue.ErrUnknownPlan)
	require.ErrorContains(t, err, `unknown plan "GOLD" (plans are FREE, STARTER, PRO, ENTERPRISE)`)
	_, err = single.SetPlan(t.Context(), b.workspace, "GOLD", "ann")
	require.ErrorIs(t, err, queue.ErrUnknownPlan)
	require.ErrorContains(t, err, "plans are FREE")
}

func TestSetPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.app.SetPlan(t.Context(), b.workspace, "pro", "ann")
	require.NoError(t, err)
	require.Equal(t, queue.Workspace{ID: b.workspace, Name: "acme", Plan: "PRO"}, got)
	b.enqueue(t, b.item())
	capacity, err := b.dispatcher.Capacity(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, 20, capacity.Workspaces[0].Limit)
	_, err = b.app.SetPlan(t.Context(), uuid.New(), "PRO", "ann")
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
}

func TestTiers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	number := func(n int) *int { return &n }
	set := func(plan string, limit, weight *int) (queue.Tier, error) {
		return b.app.SetTier(t.Context(), plan, queue.TierChange{MaxConcurrentWorkflows: limit, Weight: weight}, "ann")
	}
	for _, step := range []struct {
		plan          string
		limit, weight *int
		want          queue.Tier
	}{
		{"pro", number(30), nil, queue.Tier{Plan: "PRO", MaxConcurrentWorkflows: 30, Weight: 4}},
		{"PRO", nil, number(7), queue.Tier{Plan: "PRO", MaxConcurrentWorkflows: 30, Weight: 7}},
		{"TRIAL", number(0), nil, queue.Tier{Plan: "TRIAL", MaxConcurrentWorkflows: 0, Weight: 1}},
		{"GOLD-2", number(9), number(1000), queue.Tier{Plan: "GOLD-2", MaxConcurrentWorkflows: 9, Weight: 1000}},
	} {
		got, err := set(step.plan, step.limit, step.weight)
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
	for name, tt := range map[string]struct {
		plan          string
		limit, weight *int
		want          error
	}{
		"no change":          {"PRO", nil, nil, queue.ErrInvalid},
		"negative limit":     {"PRO", number(-1), nil, queue.ErrInvalid},
		"no weight":          {"PRO", nil, number(0), queue.ErrInvalid},
		"too much weight":    {"PRO", nil, number(1001), queue.ErrInvalid},
		"no plan":            {"", number(1), nil, queue.ErrInvalid},
		"two words":          {"VERY GOLD", number(1), nil, queue.ErrInvalid},
		"unknown, no limit":  {"SILVER", nil, number(1), queue.ErrUnknownPlan},
		"beyond the integer": {"PRO", number(1 << 40), nil, queue.ErrInvalid},
	} {
		_, err := set(tt.plan, tt.limit, tt.weight)
		require.ErrorIs(t, err, tt.want, name)
	}
	got, err := b.app.Tiers(t.Context())
	require.NoError(t, err)
	var plans []string
	for _, tier := range got {
		plans = append(plans, tier.Plan)
	}
	require.Equal(t, []string{"TRIAL", "FREE", "STARTER", "GOLD-2", "PRO", "ENTERPRISE"}, plans, "smallest first")
}

func TestTheDispatchersPoolSaysWhoItIs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, []string{"sluice", "off", "off", "off", "0"}, list[string](t, b.dispatcher.Pool(), `SELECT current_setting(unnest(ARRAY[
		'application_name', 'jit', 'enable_seqscan', 'enable_bitmapscan', 'max_parallel_workers_per_gather']))`))
	_, err := queue.DispatcherPool(t.Context(), "postgres://host:not-a-port/", 1)
	require.Error(t, err)
}
