package operate_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/devstack/devtest"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/schema"
)

// Whatever limits are changed and in whatever order, and however greedy the grants are: what claims have left on record
// breaks none of them, to the moment. And what somebody takes beside the claims does.
func TestWhatClaimsLeaveOnRecordBreaksNoLimit(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := pgxpool.New(ctx, url)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	q := queue.New(pool)
	rnd := rand.New(rand.NewPCG(3, 11))
	to := func(most int) *queue.Change[int] {
		if n := rnd.IntN(most+2) - 1; n >= 0 {
			return &queue.Change[int]{To: &n}
		}
		return &queue.Change[int]{}
	}
	var workspaces []uuid.UUID
	for n := range 5 {
		w, err := q.CreateWorkspace(ctx, fmt.Sprint("w", n), "STARTER", "test")
		require.NoError(t, err)
		workspaces = append(workspaces, w.ID)
	}
	epoch, err := q.OpenEpoch(ctx, 0, "run")
	require.NoError(t, err)
	fence := queue.Fence{Epoch: epoch}
	claim := func(grants []queue.Grant) int {
		fence.Cycle++
		claimed, err := q.Claim(ctx, fence, grants)
		require.NoError(t, err)
		return claimed.New
	}
	claims := 0
	for range 400 {
		id := workspaces[rnd.IntN(len(workspaces))]
		switch rnd.IntN(10) {
		case 0:
			_, err = q.Set(ctx, queue.SettingsChange{MaxConcurrentWorkflows: to(12)}, "test")
		case 1:
			limit := rnd.IntN(6)
			_, err = q.SetTier(ctx, "STARTER", queue.TierChange{MaxConcurrentWorkflows: &limit, NominalQuota: &queue.Change[int]{To: ptr(rnd.IntN(limit + 1))}}, "test")
		case 2:
			_, err = pool.Exec(ctx, `UPDATE sluice.workspaces SET cohort = nullif($2, '') WHERE id = $1`, id, []string{"", "eu", "us"}[rnd.IntN(3)])
		case 3: // whose nominal quota may well be above its limit: the lower one counts
			_, err = pool.Exec(ctx, `UPDATE sluice.workspaces SET max_concurrent_workflows = $2, nominal_quota = $3 WHERE id = $1`, id, to(6).To, to(4).To)
		case 4:
			_, err = pool.Exec(ctx, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by)
				SELECT sluice.uuid_v7(), $1, gen_random_uuid(), 'x' FROM generate_series(1, 5)`, id)
		case 5, 6:
			capacity, readErr := q.Capacity(ctx, 100)
			require.NoError(t, readErr)
			decision := admission.Decide(capacity.Input(math.MaxInt32))
			var grants []queue.Grant
			for _, g := range decision.Grants {
				grants = append(grants, queue.Grant{WorkspaceID: g.ID, Slots: g.Slots, Limit: g.Limit})
			}
			claims += claim(grants)
		case 7:
			var grants []queue.Grant
			usage, readErr := q.Workspaces(ctx)
			require.NoError(t, readErr)
			for _, w := range usage {
				grants = append(grants, queue.Grant{WorkspaceID: w.ID, Slots: 100, Limit: w.Limit})
			}
			claims += claim(grants)
		default:
			holders, readErr := q.SlotHolders(ctx)
			require.NoError(t, readErr)
			for _, holder := range holders[:len(holders)/2] {
				_, err = q.RecordOutcome(ctx, queue.Outcome{ExecutionID: holder, RunID: "x", Status: "COMPLETED"})
				require.NoError(t, err)
			}
		}
		require.NoError(t, err)
	}
	require.Greater(t, claims, 80, "or it shows little")
	own, shared, err := operate.JudgeToTheMoment(ctx, q)
	require.NoError(t, err)
	require.Empty(t, own.Above)
	require.Zero(t, own.Unknown)
	require.Empty(t, shared)

	_, err = q.Set(ctx, queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: ptr(0)}}, "test")
	require.NoError(t, err)
	stolen := uuid.New()
	_, err = pool.Exec(ctx, `INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
			available_at, claimed_at, trigger_type, enqueued_by) VALUES ($1, $2, $1, 'CLAIMED', 3, 0, now(), now(), now(), 'X', 'x')`, stolen, workspaces[0])
	require.NoError(t, err)
	_, shared, err = operate.JudgeToTheMoment(ctx, q)
	require.NoError(t, err)
	require.NotEmpty(t, shared)
	for _, breach := range shared { // of all workspaces, and of its cohort
		require.Equal(t, stolen, breach.ID)
	}
}

func ptr[T any](v T) *T { return &v }
