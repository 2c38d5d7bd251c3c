package admin_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/store/catalog"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const month, year, own = 30 * 24 * time.Hour, 365 * 24 * time.Hour, "workflow.workspace.{workspace}"
	got, err := b.office.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, admin.Settings{AgeingStep: 5 * time.Minute, Retention: month, TaskQueue: own, Fairness: admin.FairSlotTime}, got, "unless they are set")
	for _, step := range []struct {
		change admin.SettingsChange
		want   admin.Settings
	}{
		{admin.SettingsChange{MaxConcurrentWorkflows: whole(40), AgeingStep: new(time.Minute)},
			admin.Settings{MaxConcurrentWorkflows: new(40), AgeingStep: time.Minute, Retention: month, TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{MaxConcurrentWorkflows: &admin.Change[int]{}}, admin.Settings{AgeingStep: time.Minute, Retention: month, TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{Retention: new(36 * time.Hour)}, admin.Settings{AgeingStep: time.Minute, Retention: 36 * time.Hour, TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{Retention: new(24 * time.Hour), AgeingStep: new(year)}, admin.Settings{AgeingStep: year, Retention: 24 * time.Hour, TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{Retention: new(100 * year), AgeingStep: new(time.Duration(0))}, admin.Settings{Retention: 100 * year, TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{Retention: new(time.Duration(0))}, admin.Settings{TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{AutoCreatePlan: &admin.Change[string]{To: new("free")}, TaskQueue: new("tenant-{workspace}")}, admin.Settings{AutoCreatePlan: new("FREE"), TaskQueue: "tenant-{workspace}", Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{AutoCreatePlan: &admin.Change[string]{}, TaskQueue: new(own)}, admin.Settings{TaskQueue: own, Fairness: admin.FairSlotTime}},
		{admin.SettingsChange{Fairness: new(admin.FairStarts)}, admin.Settings{TaskQueue: own, Fairness: admin.FairStarts}},
	} {
		set, err := b.office.Set(t.Context(), step.change, "ann")
		require.NoError(t, err)
		require.Equal(t, step.want, set)
		got, err := b.office.Settings(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
	require.Equal(t, 9, one[int](t, b.pool, `SELECT count(*) FROM sluice.activity WHERE action = 'settings-changed' AND actor = 'ann'`))
	for want, change := range map[string]admin.SettingsChange{
		"nothing to change: give a limit, an ageing step, a retention, a plan, a task queue or what fairness counts": {},
		`fairness must be slot-time or starts, not "time"`:                                                           {Fairness: new("time")},
		"the task queue must have 1 to 900 bytes, not 0":                                                             {TaskQueue: new("")},
		`task queue "workflows.default": `:                                                                           {TaskQueue: new("workflows.default")},
		`task queue "workflow.workspace.x-{workspace}": `:                                                            {TaskQueue: new("workflow.workspace.x-{workspace}")},
		"max concurrent workflows must be 0 to 2147483647, got -1":                                                   {MaxConcurrentWorkflows: whole(-1)},
		"max concurrent workflows must be 0 to 2147483647, got 2":                                                    {MaxConcurrentWorkflows: whole(1 << 31)},
		"ageing step must be 0 to 8760h0m0s, got -1s":                                                                {AgeingStep: new(-time.Second)},
		"ageing step must be 0 to 8760h0m0s, got 8760h0m1s":                                                          {AgeingStep: new(year + time.Second)},
		"retention must be 24h to 36500 days, or 0 to keep everything for ever, got -24h0m0s":                        {Retention: new(-24 * time.Hour)},
		"to keep everything for ever, got 23h59m59s":                                                                 {Retention: new(24*time.Hour - time.Second)},
		"to keep everything for ever, got 876000h0m1s":                                                               {Retention: new(100*year + time.Second)},
	} {
		_, err := b.office.Set(t.Context(), change, "ann")
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, want)
	}
	_, err = b.office.Set(t.Context(), admin.SettingsChange{AutoCreatePlan: &admin.Change[string]{To: new("GOLD")}}, "ann")
	require.ErrorIs(t, err, admin.ErrUnknownPlan)
}

// How long things are kept is nothing that a claim depends on.
func TestOnlyWhatClaimsDependOnTakesATurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, catalog.SetShards(t.Context(), b.pool, 2, "ann"))
	n, err := b.office.Shards(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, n)
	_, before := b.turns(t, 0)
	_, err = b.office.Set(t.Context(), admin.SettingsChange{Retention: new(48 * time.Hour)}, "ann")
	require.NoError(t, err)
	taken, _ := b.turns(t, before)
	require.Empty(t, taken)
	_, err = b.office.Set(t.Context(), admin.SettingsChange{MaxConcurrentWorkflows: whole(7)}, "ann")
	require.NoError(t, err)
	taken, before = b.turns(t, before)
	require.Equal(t, []string{"0 settings", "1 settings"}, taken)
	_, err = b.office.SetTier(t.Context(), "FREE", admin.TierChange{Weight: new(2)}, "ann")
	require.NoError(t, err)
	taken, _ = b.turns(t, before)
	require.Equal(t, []string{"0 limits", "1 limits"}, taken)
}
