package queue_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/queue"
)

type share struct {
	ID            uuid.UUID
	Own, Borrowed int64
	Tokens        *float64
}

func (b *bundle) shares(t *testing.T) []share {
	t.Helper()
	return rowsOf[share](t, b.pool, `SELECT workspace_id AS id, own, borrowed, tokens FROM sluice.shares ORDER BY 1`)
}

// A cycle charges what it has claimed as the policy does: slots, virtual times, clocks and tokens, whatever the limits. It
// is on record before the next decision.
func TestACycleChargesAsThePolicyDoes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions; DELETE FROM sluice.workflow_definitions; DELETE FROM sluice.workspaces`)
	contended, borrowed, kept := 0, 0, 0
	for seed := range uint64(12) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		b.exec(t, `TRUNCATE sluice.execution_queue, sluice.slots, sluice.shares, sluice.lines, sluice.workflow_executions, sluice.execution_inputs;
			DELETE FROM sluice.workspaces`)
		maybe := func(n int) *int {
			if rnd.IntN(2) == 0 {
				return nil
			}
			n = rnd.IntN(n)
			return &n
		}
		b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = $1`, maybe(30))
		var ids []uuid.UUID
		for n := range 8 {
			ids = append(ids, one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces
				(name, plan, max_concurrent_workflows, nominal_quota, borrowing_limit, weight, starts_per_second, burst, cohort)
				VALUES ($1, 'PRO', $2, $3, $4, $5, $6, $7, $8) RETURNING id`, fmt.Sprint("w", n), maybe(12), maybe(8), maybe(5), 1+rnd.IntN(5),
				[]*float64{nil, nil, ptr(0.001)}[rnd.IntN(3)], 1+rnd.IntN(9), []*string{nil, ptr("a"), ptr("b")}[rnd.IntN(3)]))
		}
		memory := b.dispatcher.Memory()
		for range 6 {
			for _, id := range ids {
				if rnd.IntN(2) == 0 {
					b.fill(t, id, rnd.IntN(6))
				}
			}
			batch := 1 + rnd.IntN(20)
			b.openEpoch(t, "run")
			b.fence.Cycle++
			capacity, err := memory.Capacity(t.Context(), b.fence, batch)
			require.NoError(t, err)
			decided := memory.Decided(batch)
			in := capacity.Input(batch)
			d := admission.Decide(in)
			require.Equal(t, queue.Grants(d), decided.Grants, "seed %d", seed)
			if d.Contended {
				contended++
			}
			_, err = memory.Claim(t.Context(), b.fence, decided.Grants, decided.Lines...)
			require.NoError(t, err)
			in.Charge(d, d.Grants)
			if memory.Known() {
				kept++
			}
			_, err = memory.Capacity(t.Context(), b.fence, batch)
			require.NoError(t, err)
			want := map[uuid.UUID]admission.Workspace{}
			for _, w := range in.Workspaces {
				want[w.ID] = w
				require.EqualValues(t, w.Used, b.slots(t)[w.ID], "seed %d", seed)
				if w.Tags[admission.Borrowed] > 0 {
					borrowed++
				}
			}
			for _, got := range b.shares(t) {
				w, waiting := want[got.ID]
				if !waiting { // nothing pending when the last decision was made
					continue
				}
				require.Equal(t, w.Tags, admission.Tags{admission.VirtualTime(got.Own), admission.VirtualTime(got.Borrowed)}, "seed %d", seed)
				if w.PerSecond > 0 && got.Tokens != nil {
					require.InDelta(t, w.Tokens, *got.Tokens, 0.01, "seed %d", seed)
				}
			}
			capacity, err = b.dispatcher.Capacity(t.Context(), 1)
			require.NoError(t, err)
			now := capacity.Input(1)
			require.Equal(t, in.Clocks, now.Clocks, "seed %d", seed)
			require.Equal(t, in.Cohorts, now.Cohorts, "seed %d", seed)
			for _, id := range list[uuid.UUID](t, b.pool, `SELECT execution_id FROM sluice.slots WHERE random() < 0.5`) {
				b.end(t, id, "COMPLETED")
			}
		}
	}
	require.Greater(t, contended, 20)
	require.Greater(t, borrowed, 10)
	require.Greater(t, kept, 40, "it does not simply read everything")
}

// A dispatcher that another has overtaken charges nobody: it would set back what the other has charged since.
func TestAnOvertakenDispatcherChargesNobody(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(t, b.workspace, 9)
	b.fill(t, one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name, plan) VALUES ('other', 'PRO') RETURNING id`), 9)
	b.openEpoch(t, "run")
	first, second := b.dispatcher.Memory(), b.dispatcher.Memory()
	cycle := func(memory *queue.Memory) {
		t.Helper()
		b.fence.Cycle++
		d, err := memory.Decide(t.Context(), b.fence, 1)
		require.NoError(t, err)
		require.NotEmpty(t, d.Lines)
		_, err = memory.Claim(t.Context(), b.fence, d.Grants, d.Lines...)
		require.NoError(t, err)
	}
	look := func(memory *queue.Memory) []share {
		t.Helper()
		_, err := memory.Decide(t.Context(), b.fence, 1)
		require.NoError(t, err)
		return b.shares(t)
	}
	cycle(first)
	cycle(second)
	require.Empty(t, b.shares(t), "a charge is on record with the next look")
	require.Empty(t, look(first), "somebody else has claimed since")
	charged := look(second)
	require.Len(t, charged, 1)
	require.Equal(t, charged, look(first))
	require.Equal(t, charged, look(second), "and each charge once")
}
