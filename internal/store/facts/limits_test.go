package facts_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestTheHistoryOfLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.activity_log (actor, action) VALUES ('x', 'resumed')`)
	b.setLimit(t, "FREE", 7)
	b.exec(t, `UPDATE sluice.workspaces SET plan = 'FREE'`)
	changes, err := facts.LimitChanges(t.Context(), b.pool)
	require.NoError(t, err)
	require.Len(t, changes, 4+3)
	for _, c := range changes[:4] {
		require.Nil(t, c.WorkspaceID)
	}
	created, raised, moved := changes[4], changes[5], changes[6]
	require.Equal(t, b.workspace, *created.WorkspaceID)
	require.Equal(t, "STARTER", created.Plan)
	require.Nil(t, raised.WorkspaceID)
	require.Equal(t, 7, raised.Limit)
	require.Equal(t, b.workspace, *moved.WorkspaceID)
	require.Equal(t, "FREE", moved.Plan)
	require.Nil(t, moved.Nominal)
	require.False(t, moved.At.Before(raised.At))

	b.exec(t, `UPDATE sluice.tiers SET nominal_quota = 3 WHERE plan = 'FREE'`)
	b.exec(t, `UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 2, max_concurrent_workflows = 4`)
	changes, err = facts.LimitChanges(t.Context(), b.pool)
	require.NoError(t, err)
	lent, joined := changes[7], changes[8]
	require.Equal(t, new(3), lent.Nominal)
	require.Nil(t, lent.Cohort)
	require.Nil(t, lent.Override)
	require.Equal(t, new(2), joined.Nominal)
	require.Equal(t, new(4), joined.Override)
	require.Equal(t, new("eu"), joined.Cohort)
}

func TestTheHistoryOfTheGlobalLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = 7`)
	b.exec(t, `UPDATE sluice.settings SET ageing_step = '1 second'`)
	b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = NULL`)
	changes, err := facts.GlobalLimitChanges(t.Context(), b.pool)
	require.NoError(t, err)
	require.Len(t, changes, 3)
	for i, limit := range []*int{new(7), new(7), nil} {
		require.Equal(t, limit, changes[i].Limit)
	}
	require.True(t, changes[0].At.Before(changes[2].At))
}

// A limit for a time covers what is set for good, which may change meanwhile, until it is over, replaced or ended.
func TestTheHistoryHasLimitsForATime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	set := func(name string, value, hours int) {
		b.exec(t, `INSERT INTO sluice.temporary_limits (workspace_id, name, value, until, actor) VALUES ($1, $2, $3, now() + make_interval(hours => $4), 'ann')
			ON CONFLICT (workspace_id, name) DO UPDATE SET value = excluded.value, until = excluded.until`, b.workspace, name, value, hours)
	}
	set("max_concurrent_workflows", 50, 1)
	set("weight", 9, 1) // no audit asks for it
	b.exec(t, `UPDATE sluice.workspaces SET max_concurrent_workflows = 4`)
	set("nominal_quota", 3, 2)
	set("max_concurrent_workflows", 60, 3)
	b.exec(t, `DELETE FROM sluice.temporary_limits WHERE name = 'nominal_quota'`)
	set("nominal_quota", 2, 4)
	changes, err := facts.LimitChanges(t.Context(), b.pool)
	require.NoError(t, err)
	type inForce struct{ override, nominal *int }
	var got []inForce
	for _, c := range changes[5:] { // the tiers, and that the workspace was created
		require.Equal(t, b.workspace, *c.WorkspaceID)
		require.Equal(t, "STARTER", c.Plan)
		got = append(got, inForce{c.Override, c.Nominal})
	}
	require.Equal(t, []inForce{{new(50), nil}, {new(50), nil}, {new(50), new(3)}, {new(60), new(3)}, {new(60), nil}, {new(60), new(2)},
		{new(4), new(2)}, {new(4), nil}}, got, "the last two are the ends to come")
	require.WithinDuration(t, changes[11].At.Add(time.Hour), changes[12].At, time.Minute)
}
