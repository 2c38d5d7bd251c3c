package queue_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/queue"
)

// fill gives a workspace n ready items, with foreign definitions: nobody starts them.
func (b *bundle) fill(t *testing.T, workspace uuid.UUID, n int) {
	t.Helper()
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, enqueued_by)
		SELECT sluice.uuid_v7(), $1, gen_random_uuid(), 1 + n % 5, 'x' FROM generate_series(1, $2::int) AS n`, workspace, n)
}

// decide makes one cycle of the policy and claims what it grants.
func (b *bundle) decide(t *testing.T, batch int) admission.Decision {
	t.Helper()
	b.openEpoch(t, "run")
	b.fence.Cycle++
	capacity, err := b.dispatcher.Capacity(t.Context(), batch)
	require.NoError(t, err)
	d := admission.Decide(capacity.Input(batch))
	_, err = b.dispatcher.Claim(t.Context(), b.fence, queue.Grants(d))
	require.NoError(t, err)
	return d
}

// Grants that are older than what others have taken meanwhile never lead above a limit, whichever it is.
func TestNoGrantExceedsASharedLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		limits string
		want   int
	}{
		"global":          {`UPDATE sluice.settings SET max_concurrent_workflows = 7`, 7},
		"global of none":  {`UPDATE sluice.settings SET max_concurrent_workflows = 0`, 0},
		"cohort":          {`UPDATE sluice.workspaces SET cohort = 'a', nominal_quota = 3`, 6},
		"borrowing limit": {`UPDATE sluice.workspaces SET nominal_quota = 1, borrowing_limit = 2`, 6},
		"rate":            {`UPDATE sluice.workspaces SET starts_per_second = 0.001, burst = 2`, 4},
		"rate of a plan":  {`UPDATE sluice.tiers SET starts_per_second = 0.001`, 2},
		"its own limit":   {`UPDATE sluice.workspaces SET max_concurrent_workflows = 5`, 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			other, _ := b.newWorkspace(t, "globex", "STARTER")
			b.exec(t, tt.limits)
			b.fill(t, b.workspace, 20)
			b.fill(t, other, 20)
			b.openEpoch(t, "run")
			grants := []queue.Grant{{WorkspaceID: b.workspace, Slots: 9, Limit: 5}, {WorkspaceID: other, Slots: 9, Limit: 5}}
			held := 0
			for range 3 { // the same grants again and again
				b.fence.Cycle++
				claimed, err := b.dispatcher.Claim(t.Context(), b.fence, grants)
				require.NoError(t, err)
				held += claimed.New
			}
			require.Equal(t, tt.want, held)
			require.Equal(t, tt.want, one[int](t, b.pool, `SELECT count(*) FROM sluice.slots`))
		})
	}
}

func TestALowPriorityAgesPastAHighOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Priority = 5
	old, low := b.enqueue(t, item), b.enqueue(t, item)
	item.Priority = 1
	high := b.enqueue(t, item)
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = now() - interval '21 minutes' WHERE id = $1`, old)
	require.Equal(t, []uuid.UUID{old}, b.claim(t, 1), "four steps of five minutes and one more")
	step := time.Duration(0)
	_, err := b.app.Set(t.Context(), queue.SettingsChange{AgeingStep: &step}, "ann")
	require.NoError(t, err)
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = now() - interval '1 second' WHERE id = $1`, low)
	require.Equal(t, []uuid.UUID{low}, b.claim(t, 1), "without a step the oldest goes first")
	require.Equal(t, []uuid.UUID{high}, b.claim(t, 1))
}

// However many of the first ones others hold, the claim goes on behind them.
// A dispatcher that remembers where the items of each priority begin takes what is first of all of them, one at a time.
func TestWhatIsRememberedLeadsToTheFirstItem(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 17))
		memory := b.dispatcher.Memory()
		arrive := func(n int) {
			for range n {
				b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
					VALUES (sluice.uuid_v7(), $1, $2, $3, date_trunc('minute', now()) - $4 * interval '1 minute', 'x')`,
					b.workspace, b.definition, 1+rnd.IntN(5), rnd.IntN(30))
			}
		}
		arrive(30)
		for n := 0; ; n++ {
			switch rnd.IntN(8) {
			case 0:
				if n < 40 {
					arrive(1 + rnd.IntN(3))
				}
			case 1:
				step := []time.Duration{0, time.Minute, 7 * time.Minute}[rnd.IntN(3)]
				_, err := b.app.Set(t.Context(), queue.SettingsChange{AgeingStep: &step}, "ann")
				require.NoError(t, err)
			case 2:
				for _, id := range list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue ORDER BY random() LIMIT 1`) {
					cancel(t, b, id)
				}
			}
			first := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.execution_queue, sluice.settings
				ORDER BY available_at + (priority - 1) * ageing_step, priority, id LIMIT 1`)
			if len(first) == 0 {
				break
			}
			b.fence.Cycle++
			d, err := memory.Decide(t.Context(), b.fence, 1)
			require.NoError(t, err)
			_, err = memory.Claim(t.Context(), b.fence, d.Grants, d.Lines...)
			require.NoError(t, err)
			require.Equal(t, first, list[uuid.UUID](t, b.pool, `SELECT execution_id FROM sluice.slots`), "seed %d, claim %d", seed, n)
			b.end(t, first[0], "COMPLETED")
		}
	}
}

func TestTheClaimGoesOnBehindWhatOthersHold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var held []uuid.UUID
	for _, priority := range []int{1, 3} {
		item := b.item()
		item.Priority = priority
		for range 12 {
			held = append(held, b.enqueue(t, item))
		}
	}
	item := b.item()
	item.Priority = 3
	free := b.enqueue(t, item)
	tx := b.begin(t)
	_, err := tx.Exec(t.Context(), `SELECT FROM sluice.execution_queue WHERE id = ANY ($1) FOR UPDATE`, held)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{free}, b.claim(t, 2))
}

func TestWhyAWorkspaceWaits(t *testing.T) {
	t.Parallel()
	for want, limits := range map[admission.Reason]string{
		"":                    `SELECT`,
		admission.AtCapacity:  `UPDATE sluice.workspaces SET max_concurrent_workflows = 0`,
		admission.BorrowLimit: `UPDATE sluice.tiers SET nominal_quota = 0, borrowing_limit = 0`,
		admission.GlobalLimit: `UPDATE sluice.settings SET max_concurrent_workflows = 0`,
		admission.CohortLimit: `UPDATE sluice.workspaces SET cohort = 'a', nominal_quota = 0`,
		admission.RateLimited: `UPDATE sluice.workspaces SET starts_per_second = 0.1; INSERT INTO sluice.shares (workspace_id, tokens, tokens_at) SELECT id, 0, now() FROM sluice.workspaces`,
		admission.Scheduled:   `UPDATE sluice.execution_queue SET available_at = now() + interval '1 hour'`,
	} {
		t.Run(string(want), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.enqueue(t, b.item())
			b.exec(t, limits)
			list, err := b.app.Workspaces(t.Context())
			require.NoError(t, err)
			if want == "" {
				require.Nil(t, list[0].Reason)
				return
			}
			require.NotNil(t, list[0].Reason)
			require.EqualValues(t, want, *list[0].Reason)
			overdue, err := b.app.Overdue(t.Context(), -time.Minute)
			require.NoError(t, err)
			require.Empty(t, overdue, "and it is no violation")
		})
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	step, limit := time.Minute, 40
	got, err := b.app.Set(t.Context(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: &limit}, AgeingStep: &step}, "ann")
	require.NoError(t, err)
	require.Equal(t, queue.Settings{MaxConcurrentWorkflows: &limit, AgeingStep: step}, got)
	got, err = b.app.Set(t.Context(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{}}, "ann")
	require.NoError(t, err)
	require.Equal(t, queue.Settings{AgeingStep: step}, got)
	read, err := b.app.Settings(t.Context())
	require.NoError(t, err)
	require.Equal(t, got, read)
	require.Equal(t, []string{"ann", "ann"}, list[string](t, b.pool, `SELECT actor FROM sluice.activity_log WHERE action = 'settings-changed'`))
	for _, change := range []queue.SettingsChange{{}, {MaxConcurrentWorkflows: &queue.Change[int]{To: ptr(-1)}}, {AgeingStep: ptr(-time.Second)}} {
		_, err := b.app.Set(t.Context(), change, "ann")
		require.ErrorIs(t, err, queue.ErrInvalid)
	}
}

func TestSetWorkspace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	set := func(change queue.WorkspaceChange) (queue.WorkspaceLimits, error) {
		return b.app.SetWorkspace(t.Context(), b.workspace, change, "ann")
	}
	whole := func(n int) *queue.Change[int] { return &queue.Change[int]{To: &n} }
	got, err := set(queue.WorkspaceChange{MaxConcurrentWorkflows: whole(9), NominalQuota: whole(4), BorrowingLimit: whole(3), Weight: whole(7),
		StartsPerSecond: &queue.Change[float64]{To: ptr(2.5)}, Burst: whole(6), Cohort: &queue.Change[string]{To: ptr("eu")}})
	require.NoError(t, err)
	require.Equal(t, queue.WorkspaceLimits{Workspace: queue.Workspace{ID: b.workspace, Name: "acme", Plan: "STARTER"}, MaxConcurrentWorkflows: ptr(9),
		NominalQuota: ptr(4), BorrowingLimit: ptr(3), Weight: ptr(7), StartsPerSecond: ptr(2.5), Burst: ptr(6), Cohort: ptr("eu")}, got)
	before := b.mark(t)
	got, err = set(queue.WorkspaceChange{MaxConcurrentWorkflows: &queue.Change[int]{}, Cohort: &queue.Change[string]{}})
	require.NoError(t, err)
	require.Nil(t, got.MaxConcurrentWorkflows)
	require.Nil(t, got.Cohort)
	require.True(t, b.rung(t, before), "the dispatcher hears of it")
	changes, err := b.app.LimitChanges(t.Context())
	require.NoError(t, err)
	require.Equal(t, []*int{ptr(9), nil}, []*int{changes[len(changes)-2].Override, changes[len(changes)-1].Override})
	for name, change := range map[string]queue.WorkspaceChange{
		"nothing to change":         {},
		"max concurrent workflows":  {MaxConcurrentWorkflows: whole(-1)},
		"weight must be 1 to 1000":  {Weight: whole(0)},
		"guaranteed 6 slots":        {NominalQuota: whole(6)},
		"burst must be 1":           {Burst: whole(0)},
		"without a rate":            {StartsPerSecond: &queue.Change[float64]{}},
		"more than 0 and at most":   {StartsPerSecond: &queue.Change[float64]{To: ptr(0.0)}},
		`cohort "E U" must be a wo`: {Cohort: &queue.Change[string]{To: ptr("E U")}},
	} {
		_, err := set(change)
		require.ErrorIs(t, err, queue.ErrInvalid, name)
		require.ErrorContains(t, err, name)
	}
	_, err = b.app.SetWorkspace(t.Context(), uuid.New(), queue.WorkspaceChange{Weight: whole(1)}, "ann")
	require.ErrorIs(t, err, queue.ErrUnknownWorkspace)
}

func ptr[T any](v T) *T { return &v }
