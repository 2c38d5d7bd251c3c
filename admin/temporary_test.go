package admin_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

// quota is what a workspace may use now.
func (b *bundle) quota(t *testing.T) string {
	t.Helper()
	return one[string](t, b.pool, `SELECT concat_ws(' ', ceiling, nominal, borrowing_limit, weight, starts_per_second, burst) FROM sluice.quotas WHERE workspace_id = $1`, b.workspace)
}

func change[T any](to T) *admin.Change[T] { return &admin.Change[T]{To: &to} }

func TestALimitForATimeFallsBackByItself(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "5 5 2", b.quota(t))
	since := b.newest(t)
	set, err := b.office.SetWorkspaceFor(t.Context(), b.workspace, admin.WorkspaceChange{
		MaxConcurrentWorkflows: change(50), Weight: change(9), NominalQuota: change(7), BorrowingLimit: change(3), StartsPerSecond: change(2.5), Burst: change(4),
	}, admin.Term{For: 6 * time.Second}, "ann", "end of the month")
	require.NoError(t, err)
	require.Equal(t, []string{"0 limits"}, b.since(t, since), "one turn for all of them")
	require.Equal(t, "50 7 3 9 2.5 4", b.quota(t))
	require.Nil(t, set.MaxConcurrentWorkflows, "nothing is set for good")
	require.Len(t, set.Temporary, 6)
	until := set.Temporary[0].Until
	require.Equal(t, admin.TemporaryLimit{Limit: "borrowingLimit", To: 3, Until: until, Actor: "ann", Reason: "end of the month"}, set.Temporary[0])
	require.Equal(t, 6, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'temporary-limit-set' AND actor = 'ann' AND workspace_id = $1
		AND details ->> 'reason' = 'end of the month' AND (details ->> 'until')::timestamptz = $2`, b.workspace, until))

	_, err = b.office.SetWorkspace(t.Context(), b.workspace, admin.WorkspaceChange{Weight: change(3)}, "ann")
	require.NoError(t, err)
	require.Equal(t, "50 7 3 3 2.5 4", b.quota(t), "what is set for good ends what holds for a time")
	since = b.newest(t)
	require.Eventually(t, func() bool { return b.quota(t) == "5 5 3" }, time.Minute, 5*time.Millisecond)
	require.Empty(t, b.since(t, since))
	all, err := b.office.WorkspaceLimits(t.Context())
	require.NoError(t, err)
	require.Empty(t, all[0].Temporary)
	_, err = b.office.SetWorkspaceFor(t.Context(), b.workspace, admin.WorkspaceChange{Burst: change(4), StartsPerSecond: change(1.0)}, admin.Term{For: time.Hour}, "ann", "")
	require.NoError(t, err)
	require.Equal(t, 2, one[int](t, b.pool, `SELECT count(*) FROM sluice.temporary_limits`), "those that are over are forgotten")
	require.Equal(t, []string{"weight"}, list[string](t, b.pool, `SELECT details ->> 'limit' FROM sluice.activity WHERE action = 'temporary-limit-ended'`))
}

func TestLimitsForATimeCanBeEndedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	term := admin.Term{Until: time.Now().Add(time.Hour)}
	for range 2 { // the second time changes nothing
		_, err := b.office.SetWorkspaceFor(t.Context(), b.workspace, admin.WorkspaceChange{MaxConcurrentWorkflows: change(0)}, term, "ann", "")
		require.NoError(t, err)
	}
	require.Equal(t, "0 0 2", b.quota(t))
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.limit_changes WHERE action = 'temporary-limit-set'`))
	for want := range int64(2) {
		n, err := b.office.EndTemporary(t.Context(), b.workspace, "bob")
		require.NoError(t, err)
		require.Equal(t, 1-want, n)
	}
	require.Equal(t, "5 5 2", b.quota(t))
	require.Equal(t, []string{"bob"}, list[string](t, b.pool, `SELECT actor FROM sluice.activity WHERE action = 'temporary-limit-ended'`))
}

func TestLimitsForATimeThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hour := admin.Term{For: time.Hour}
	for want, test := range map[string]struct {
		change admin.WorkspaceChange
		term   admin.Term
	}{
		"needs an end":                  {admin.WorkspaceChange{Weight: change(2)}, admin.Term{}},
		"lies in the past":              {admin.WorkspaceChange{Weight: change(2)}, admin.Term{Until: time.Now().Add(-time.Hour)}},
		"nothing to change":             {admin.WorkspaceChange{}, hour},
		"are set for good":              {admin.WorkspaceChange{Weight: change(2), Cohort: change("eu")}, hour},
		"weight for a time needs a val": {admin.WorkspaceChange{Weight: &admin.Change[int]{}}, hour},
		"weight must be 1 to 1000":      {admin.WorkspaceChange{Weight: change(1001)}, hour},
		"may hold at most 5":            {admin.WorkspaceChange{NominalQuota: change(6)}, hour},
		"burst of 3 without a rate":     {admin.WorkspaceChange{Burst: change(3)}, hour},
	} {
		_, err := b.office.SetWorkspaceFor(t.Context(), b.workspace, test.change, test.term, "ann", "")
		require.ErrorIs(t, err, admin.ErrInvalid, want)
		require.ErrorContains(t, err, want)
	}
	_, err := b.office.SetWorkspaceFor(t.Context(), uuid.New(), admin.WorkspaceChange{Weight: change(2)}, hour, "ann", "")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
	require.Zero(t, one[int](t, b.pool, `SELECT count(*) FROM sluice.temporary_limits`))
}
