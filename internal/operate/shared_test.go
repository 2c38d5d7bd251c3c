package operate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/operate"
	"sluice/internal/store/facts"
)

// Whatever limits are changed and in whatever order: what claims leave on record that were decided on these limits breaks
// none of them, to the moment. And what takes a slot beside them does.
func TestWhatClaimsLeaveOnRecordBreaksNoLimit(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	rnd := rand.New(rand.NewPCG(3, 11))
	maybe := func(most int) *int {
		if n := rnd.IntN(most+2) - 1; n >= 0 {
			return &n
		}
		return nil
	}
	var workspaces []uuid.UUID
	for n := range 5 {
		workspaces = append(workspaces, d.newWorkspace(fmt.Sprint("w", n), "STARTER"))
	}
	claims := 0
	for range 400 {
		id := workspaces[rnd.IntN(len(workspaces))]
		switch rnd.IntN(9) {
		case 0:
			d.exec(`UPDATE sluice.settings SET max_concurrent_workflows = $1`, maybe(12))
		case 1:
			limit := rnd.IntN(6)
			d.exec(`UPDATE sluice.tiers SET max_concurrent_workflows = $1, nominal_quota = $2 WHERE plan = 'STARTER'`, limit, rnd.IntN(limit+1))
		case 2:
			d.exec(`UPDATE sluice.workspaces SET cohort = nullif($2, '') WHERE id = $1`, id, []string{"", "eu", "us"}[rnd.IntN(3)])
		case 3: // its nominal quota may well be above its limit: the lower one counts
			d.exec(`UPDATE sluice.workspaces SET max_concurrent_workflows = $2, nominal_quota = $3 WHERE id = $1`, id, maybe(6), maybe(4))
		case 4:
			d.exec(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by)
				SELECT sluice.uuid_v7(), $1, gen_random_uuid(), 'x' FROM generate_series(1, 5)`, id)
		case 5, 6:
			claims += claimAll(t, d)
		default:
			holders, err := facts.SlotHolders(t.Context(), d.pool)
			require.NoError(t, err)
			d.end("COMPLETED", holders[:len(holders)/2]...)
		}
	}
	require.Greater(t, claims, 80, "or it shows little")
	own, shared, err := operate.JudgeToTheMoment(t.Context(), d.pool)
	require.NoError(t, err)
	require.Zero(t, own.Above.Total)
	require.Zero(t, own.Unknown)
	require.Empty(t, shared)

	d.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 0`)
	stolen := d.enqueue(workspaces[0])
	d.claim(stolen)
	_, shared, err = operate.JudgeToTheMoment(t.Context(), d.pool)
	require.NoError(t, err)
	require.NotEmpty(t, shared)
	for _, breach := range shared { // of all workspaces, and of its cohort
		require.Equal(t, stolen, breach.ID)
	}
}

// claimAll claims all that the policy grants, and returns how many that is.
func claimAll(t *testing.T, d *database) (claimed int) {
	t.Helper()
	capacities, err := facts.Capacities(t.Context(), d.pool, 100)
	require.NoError(t, err)
	for i := range capacities {
		for _, g := range admission.Decide(capacities[i].Input(math.MaxInt32)).Grants {
			rows, err := d.pool.Query(t.Context(), `SELECT id FROM sluice.pending WHERE workspace_id = $1 ORDER BY id LIMIT $2`, g.ID, g.Slots)
			require.NoError(t, err)
			ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			require.NoError(t, err)
			require.Len(t, ids, g.Slots)
			d.claim(ids...)
			claimed += len(ids)
		}
	}
	return claimed
}
