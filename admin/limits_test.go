package admin_test

import (
	"math"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

func whole(n int) *admin.Change[int] { return &admin.Change[int]{To: &n} }

func rate(r float64) *admin.Change[float64] { return &admin.Change[float64]{To: &r} }

func word(s string) *admin.Change[string] { return &admin.Change[string]{To: &s} }

func TestSetWorkspaceChangesWhatIsGivenOnly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	set := func(change admin.WorkspaceChange) (admin.WorkspaceLimits, error) {
		return b.office.SetWorkspace(t.Context(), b.workspace, change, "ann")
	}
	all := admin.WorkspaceLimits{Workspace: admin.Workspace{ID: b.workspace, Name: "acme", Plan: "STARTER"}, MaxConcurrentWorkflows: new(9),
		NominalQuota: new(4), BorrowingLimit: new(3), LendingLimit: new(2), Weight: new(7), StartsPerSecond: new(2.5), Burst: new(6), Cohort: new("eu")}
	got, err := set(admin.WorkspaceChange{MaxConcurrentWorkflows: whole(9), NominalQuota: whole(4), BorrowingLimit: whole(3), LendingLimit: whole(2), Weight: whole(7),
		StartsPerSecond: rate(2.5), Burst: whole(6), Cohort: word("eu")})
	require.NoError(t, err)
	require.Equal(t, all, got)

	got, err = set(admin.WorkspaceChange{Weight: whole(8)})
	require.NoError(t, err)
	all.Weight = new(8)
	require.Equal(t, all, got)

	_, before := b.turns(t, 0)
	got, err = set(admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{}, Cohort: &admin.Change[string]{}})
	require.NoError(t, err)
	all.MaxConcurrentWorkflows, all.Cohort = nil, nil
	require.Equal(t, all, got)
	taken, before := b.turns(t, before)
	require.Equal(t, []string{"0 owners"}, taken, "the dispatcher hears of it")
	require.Equal(t, []string{"9", "9", ""}, list[string](t, b.pool, `SELECT coalesce(details ->> 'maxConcurrentWorkflows', '') FROM sluice.limit_changes
		WHERE action = 'limits-changed' AND actor = 'ann' ORDER BY id`), "each change is on record")

	for name, change := range map[string]admin.WorkspaceChange{
		"nothing to change":         {},
		"max concurrent workflows":  {MaxConcurrentWorkflows: whole(-1)},
		"borrowing limit must be":   {BorrowingLimit: whole(-1)},
		"lending limit must be":     {LendingLimit: whole(-1)},
		"weight must be 1 to 1000":  {Weight: whole(0)},
		"guaranteed 6 slots":        {NominalQuota: whole(6)},
		"nominal quota must be":     {NominalQuota: whole(math.MaxInt32 + 1)},
		"burst must be 1":           {Burst: whole(0)},
		"without a rate":            {StartsPerSecond: &admin.Change[float64]{}, Burst: whole(3)},
		"more than 0 and at most":   {StartsPerSecond: rate(0)},
		"1000000, got 2e+06":        {StartsPerSecond: rate(2e6)},
		"got NaN":                   {StartsPerSecond: rate(math.NaN())},
		`cohort "E U" must be a wo`: {Cohort: word("E U")},
	} {
		_, err := set(change)
		require.ErrorIs(t, err, admin.ErrInvalid, name)
		require.ErrorContains(t, err, name)
	}
	kept, err := b.office.WorkspaceLimits(t.Context(), b.workspace)
	require.NoError(t, err)
	require.Equal(t, []admin.WorkspaceLimits{all}, kept, "what is refused changes nothing")
	taken, _ = b.turns(t, before)
	require.Empty(t, taken)
	unrated, err := set(admin.WorkspaceChange{StartsPerSecond: &admin.Change[float64]{}})
	require.NoError(t, err)
	require.Nil(t, unrated.StartsPerSecond)
	require.Nil(t, unrated.Burst, "it goes with the rate")
	_, err = b.office.SetWorkspace(t.Context(), uuid.New(), admin.WorkspaceChange{Weight: whole(1)}, "ann")
	require.ErrorIs(t, err, admin.ErrUnknownWorkspace)
}

func TestWorkspaceLimitsAreListedByName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	zeta, _ := b.newWorkspace(t, "zeta", "FREE")
	_, err := b.office.SetWorkspace(t.Context(), zeta, admin.WorkspaceChange{Cohort: word("eu")}, "ann")
	require.NoError(t, err)
	acme := admin.WorkspaceLimits{Workspace: admin.Workspace{ID: b.workspace, Name: "acme", Plan: "STARTER"}}
	last := admin.WorkspaceLimits{Workspace: admin.Workspace{ID: zeta, Name: "zeta", Plan: "FREE"}, Cohort: new("eu")}
	for _, tt := range []struct {
		ids  []uuid.UUID
		want []admin.WorkspaceLimits
	}{
		{nil, []admin.WorkspaceLimits{acme, last}},
		{[]uuid.UUID{zeta, uuid.New()}, []admin.WorkspaceLimits{last}},
		{[]uuid.UUID{uuid.New()}, []admin.WorkspaceLimits{}},
	} {
		got, err := b.office.WorkspaceLimits(t.Context(), tt.ids...)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
}

func TestTiers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, step := range []struct {
		plan   string
		change admin.TierChange
		want   admin.Tier
	}{
		{"pro", admin.TierChange{MaxConcurrentWorkflows: new(30)}, admin.Tier{Plan: "PRO", MaxConcurrentWorkflows: 30, Weight: 4}},
		{"PRO", admin.TierChange{Weight: new(7)}, admin.Tier{Plan: "PRO", MaxConcurrentWorkflows: 30, Weight: 7}},
		{"TRIAL", admin.TierChange{MaxConcurrentWorkflows: new(0)}, admin.Tier{Plan: "TRIAL", Weight: 1}},
		{"GOLD-2", admin.TierChange{MaxConcurrentWorkflows: new(9), Weight: new(1000), NominalQuota: whole(4), BorrowingLimit: whole(2), LendingLimit: whole(1), StartsPerSecond: rate(0.5), Burst: whole(3)},
			admin.Tier{Plan: "GOLD-2", MaxConcurrentWorkflows: 9, Weight: 1000, NominalQuota: new(4), BorrowingLimit: new(2), LendingLimit: new(1), StartsPerSecond: new(0.5), Burst: new(3)}},
		{"GOLD-2", admin.TierChange{BorrowingLimit: &admin.Change[int]{}},
			admin.Tier{Plan: "GOLD-2", MaxConcurrentWorkflows: 9, Weight: 1000, NominalQuota: new(4), LendingLimit: new(1), StartsPerSecond: new(0.5), Burst: new(3)}},
	} {
		got, err := b.office.SetTier(t.Context(), step.plan, step.change, "ann")
		require.NoError(t, err)
		require.Equal(t, step.want, got)
	}
	for name, tt := range map[string]struct {
		plan   string
		change admin.TierChange
		want   error
	}{
		"no change":              {"PRO", admin.TierChange{}, admin.ErrInvalid},
		"negative limit":         {"PRO", admin.TierChange{MaxConcurrentWorkflows: new(-1)}, admin.ErrInvalid},
		"no weight":              {"PRO", admin.TierChange{Weight: new(0)}, admin.ErrInvalid},
		"too much weight":        {"PRO", admin.TierChange{Weight: new(1001)}, admin.ErrInvalid},
		"no plan":                {"", admin.TierChange{MaxConcurrentWorkflows: new(1)}, admin.ErrInvalid},
		"two words":              {"VERY GOLD", admin.TierChange{MaxConcurrentWorkflows: new(1)}, admin.ErrInvalid},
		"unknown, no limit":      {"SILVER", admin.TierChange{Weight: new(1)}, admin.ErrUnknownPlan},
		"beyond the integer":     {"PRO", admin.TierChange{MaxConcurrentWorkflows: new(1 << 40)}, admin.ErrInvalid},
		"guaranteed too much":    {"PRO", admin.TierChange{NominalQuota: whole(31)}, admin.ErrInvalid},
		"a burst without a rate": {"PRO", admin.TierChange{Burst: whole(1)}, admin.ErrInvalid},
		"new and contradictory":  {"SILVER", admin.TierChange{MaxConcurrentWorkflows: new(1), NominalQuota: whole(2)}, admin.ErrInvalid},
	} {
		_, err := b.office.SetTier(t.Context(), tt.plan, tt.change, "ann")
		require.ErrorIs(t, err, tt.want, name)
	}
	got, err := b.office.Tiers(t.Context())
	require.NoError(t, err)
	var plans []string
	for _, tier := range got {
		plans = append(plans, tier.Plan)
	}
	require.Equal(t, []string{"TRIAL", "FREE", "STARTER", "GOLD-2", "PRO", "ENTERPRISE"}, plans, "smallest first")
	require.Equal(t, admin.Tier{Plan: "PRO", MaxConcurrentWorkflows: 30, Weight: 7}, got[4])
	require.Equal(t, "ann", one[string](t, b.pool, `SELECT DISTINCT actor FROM sluice.limit_changes
		WHERE action = 'tier-changed' AND details ->> 'plan' IN ('TRIAL', 'GOLD-2')`))
}

func TestSetWorkspaceGivesAndTakesAllowedHosts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hosts := func(list ...string) *admin.Change[[]string] { return &admin.Change[[]string]{To: &list} }
	set := func(change admin.WorkspaceChange) (admin.WorkspaceLimits, error) {
		return b.office.SetWorkspace(t.Context(), b.workspace, change, "ann")
	}
	got, err := set(admin.WorkspaceChange{AllowedHosts: hosts("API.example.", " *.Bücher.example:443", "[2001:DB8::1]:80")})
	require.NoError(t, err)
	want := []string{"api.example", "*.xn--bcher-kva.example:443", "[2001:db8::1]:80"}
	require.Equal(t, want, got.AllowedHosts)
	got, err = set(admin.WorkspaceChange{Weight: whole(3)})
	require.NoError(t, err)
	require.Equal(t, want, got.AllowedHosts, "it is left as it was")
	listed, err := b.office.WorkspaceLimits(t.Context(), b.workspace)
	require.NoError(t, err)
	require.Equal(t, want, listed[0].AllowedHosts)
	for list, why := range map[string]*admin.Change[[]string]{
		"1 to 100 entries, not 0": hosts(), `host "*" is no name`: hosts("*"), `host "127.1" is an address in a form`: hosts("a.example", "127.1"), `host "*.com" is too wide`: hosts("*.com"),
	} {
		_, err := set(admin.WorkspaceChange{AllowedHosts: why})
		require.ErrorIs(t, err, admin.ErrInvalid)
		require.ErrorContains(t, err, list)
	}
	got, err = set(admin.WorkspaceChange{AllowedHosts: &admin.Change[[]string]{}})
	require.NoError(t, err)
	require.Nil(t, got.AllowedHosts)
	require.Equal(t, []string{`ann ["api.example", "*.xn--bcher-kva.example:443", "[2001:db8::1]:80"]`, "ann null"}, list[string](t, b.pool,
		`SELECT actor || ' ' || coalesce(details ->> 'allowedHosts', 'null') FROM sluice.activity WHERE action = 'allowed-hosts-changed' ORDER BY at`))
	for _, bad := range []string{`'{}'`, `'{A.example}'`, `'{"a b"}'`, `'{NULL}'`, `'{""}'`, `'{{a,b},{c,d}}'`, `array_fill('a'::text, '{101}')`, `ARRAY[E'a\nb']`} {
		_, err := b.pool.Exec(t.Context(), `UPDATE sluice.workspaces SET allowed_hosts = `+bad)
		require.ErrorContains(t, err, "workspaces_allowed_hosts", bad)
	}
}
