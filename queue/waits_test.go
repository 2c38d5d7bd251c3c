package queue_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/queue"
)

// pending are all items that wait, newest first.
func (b *bundle) pending(t *testing.T) []queue.ItemView {
	t.Helper()
	items, err := b.app.Items(t.Context(), queue.Filter{Status: "PENDING", Limit: 10_000})
	require.NoError(t, err)
	return items
}

// Without a reason are those, and no others, that a claim of all that the policy grants then takes. Every other item has
// one, and a place that a sort of the whole backlog gives it too.
func TestTheReasonsOfItemsForetellTheNextClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions; DELETE FROM sluice.workflow_definitions; DELETE FROM sluice.workspaces`)
	seen := map[admission.Reason]int{}
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		b.exec(t, `TRUNCATE sluice.execution_queue, sluice.slots, sluice.shares, sluice.lines, sluice.workflow_executions, sluice.execution_inputs;
			DELETE FROM sluice.workspaces`)
		maybe := func(n int) *int {
			if rnd.IntN(2) == 0 {
				return nil
			}
			n = rnd.IntN(n)
			return &n
		}
		shared := rnd.IntN(3) > 0 // or no limit is
		cohorts := []*string{nil, ptr("a"), ptr("b")}
		if b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = NULL`); !shared {
			cohorts = cohorts[:1]
		} else if n := maybe(30); n != nil {
			b.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = $1`, *n)
		}
		step := time.Duration(rnd.IntN(3)) * time.Minute
		b.exec(t, `UPDATE sluice.settings SET ageing_step = $1`, step)
		for n := range 6 {
			b.exec(t, `WITH w AS (
				INSERT INTO sluice.workspaces (name, plan, max_concurrent_workflows, nominal_quota, borrowing_limit, starts_per_second, burst, cohort)
				VALUES ($1, 'PRO', $2, $3, $4, $5, $6, $7) RETURNING id)
				INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
				SELECT sluice.uuid_v7(), w.id, gen_random_uuid(), 1 + (random() * 4)::int, -- in a grid, so that some are due alike
				       now() + interval '1 minute' * round((random() * 8 - 7)), 'x' FROM w, generate_series(1, $8::int)`,
				fmt.Sprint("w", n), maybe(12), maybe(8), maybe(5), []*float64{nil, nil, ptr(0.001)}[rnd.IntN(3)], 1+rnd.IntN(9),
				cohorts[rnd.IntN(len(cohorts))], rnd.IntN(20))
		}
		items := b.pending(t)
		places := 1 + rnd.IntN(20)
		waits, err := b.app.Waits(t.Context(), places, items...)
		require.NoError(t, err)
		require.Len(t, waits, len(items))

		line := slices.Clone(items)
		slices.SortFunc(line, func(a, b queue.ItemView) int {
			return cmp.Or(admission.Due(a.AvailableAt, a.Priority, step).Compare(admission.Due(b.AvailableAt, b.Priority, step)),
				cmp.Compare(a.Priority, b.Priority), bytes.Compare(a.ID[:], b.ID[:]))
		})
		decision := b.decide(t, 10_000)
		granted := map[uuid.UUID]bool{}
		for _, g := range decision.Grants {
			granted[g.ID] = true
		}
		claimed := b.slotsTaken(t)
		now := one[time.Time](t, b.pool, `SELECT now()`)
		place := map[uuid.UUID]int{}
		for _, item := range line {
			w := waits[item.ID]
			seen[w.Reason]++
			if item.AvailableAt.After(now) {
				require.Equal(t, queue.Wait{Reason: admission.Scheduled}, w, "seed %d", seed)
				continue
			}
			place[item.WorkspaceID]++
			require.Equal(t, min(place[item.WorkspaceID], places), w.Place, "seed %d", seed)
			require.Equal(t, place[item.WorkspaceID] > places, w.More, "seed %d", seed)
			require.Equal(t, claimed[item.ID], w.Reason == "", "seed %d: %v", seed, w)
			if !claimed[item.ID] {
				require.Equal(t, granted[item.WorkspaceID], w.Reason == admission.BehindPriority, "seed %d: %v", seed, w)
			}
		}
	}
	for _, reason := range []admission.Reason{"", admission.Scheduled, admission.BehindPriority, admission.AtCapacity, admission.BorrowLimit,
		admission.GlobalLimit, admission.CohortLimit} {
		require.NotZero(t, seen[reason], "%v", seen)
	}
}

// slotsTaken is who holds a slot.
func (b *bundle) slotsTaken(t *testing.T) map[uuid.UUID]bool {
	t.Helper()
	taken := map[uuid.UUID]bool{}
	for _, id := range b.held(t) {
		taken[id] = true
	}
	return taken
}

func TestWhyAnItemWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	item := b.item()
	item.Priority = 5
	low := b.enqueue(t, item)
	wait := func() queue.Wait {
		waits, err := b.app.Waits(t.Context(), 3, b.view(t, low))
		require.NoError(t, err)
		return waits[low]
	}
	require.Equal(t, queue.Wait{Place: 1}, wait(), "it goes next")
	item.Priority = 1
	b.enqueue(t, item)
	require.Equal(t, queue.Wait{Place: 2}, wait(), "and so do the first five")
	for range 4 {
		b.enqueue(t, item)
	}
	require.Equal(t, queue.Wait{Reason: admission.BehindPriority, Place: 3, More: true}, wait())
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = available_at - interval '21 minutes' WHERE id = $1`, low)
	require.Equal(t, queue.Wait{Place: 1}, wait(), "it has aged")
	b.setLimit(t, "STARTER", 0)
	require.Equal(t, queue.Wait{Reason: admission.AtCapacity, Place: 1}, wait())
	b.exec(t, `UPDATE sluice.execution_queue SET available_at = now() + interval '1 hour' WHERE id = $1`, low)
	require.Equal(t, queue.Wait{Reason: admission.Scheduled}, wait())

	before := b.view(t, low)
	cancel(t, b, low)
	waits, err := b.app.Waits(t.Context(), 3, b.view(t, low))
	require.NoError(t, err)
	require.Empty(t, waits, "it waits no longer")
	waits, err = b.app.Waits(t.Context(), 3, before)
	require.NoError(t, err)
	require.Empty(t, waits, "it was taken meanwhile")
}

// However long the backlog is, looking at one item reads a few of each priority.
func TestWaitsReadNoMoreThanTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fill(t, b.workspace, 2000)
	items := b.pending(t)
	var raw []byte
	conn, err := b.dispatcher.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	require.NoError(t, conn.QueryRow(t.Context(), `EXPLAIN (ANALYZE, FORMAT json) `+queue.WaitsSQL,
		[]uuid.UUID{items[0].ID}, []uuid.UUID{b.workspace}, []int{starterLimit}, 10).Scan(&raw))
	var plans []struct{ Plan planNode }
	require.NoError(t, json.Unmarshal(raw, &plans))
	var read float64
	plans[0].Plan.walk(nil, func(n planNode, _ []planNode) {
		if n.RelationName == "execution_queue" {
			read += n.ActualRows * n.ActualLoops
		}
	})
	// One for the item, five of each priority up to the last that may start, ten or a few more before the item. Averages are rounded.
	require.Positive(t, read)
	require.LessOrEqual(t, read, 1+25+15.0, "%s", raw)
}
