package facts_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/store/facts"
)

// pending are all items that wait, newest first.
func (b *bundle) pending(t *testing.T) []facts.View {
	t.Helper()
	items, err := facts.Items[facts.View](t.Context(), b.pool, facts.Filter{Status: "PENDING", Limit: 10_000})
	require.NoError(t, err)
	return items
}

// Without a reason are those, and no others, that start when all that the policy grants is taken. Every other item has
// one, and a place that a sort of the whole backlog gives it too.
func TestTheReasonsOfItemsForetellWhatStarts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := map[admission.Reason]int{}
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		b.exec(t, `TRUNCATE sluice.pending, sluice.running, sluice.virtual_times, sluice.clocks, sluice.workspaces CASCADE`)
		maybe := func(n int) *int {
			if rnd.IntN(2) == 0 {
				return nil
			}
			return new(rnd.IntN(n))
		}
		shared := rnd.IntN(3) > 0 // or no limit is
		cohorts := []*string{nil, new("a"), new("b")}
		var global *int
		if !shared {
			cohorts = cohorts[:1]
		} else {
			global = maybe(30)
		}
		step := time.Duration(rnd.IntN(3)) * time.Minute
		b.exec(t, `UPDATE sluice.settings SET ageing_step = $1, max_concurrent_workflows = $2, shards = $3`, step, global, 1+rnd.IntN(2))
		for n := range 6 {
			b.exec(t, `WITH w AS (
				INSERT INTO sluice.workspaces (name, plan, max_concurrent_workflows, nominal_quota, borrowing_limit, starts_per_second, burst, cohort)
				VALUES ($1, 'PRO', $2, $3, $4, $5, $6, $7) RETURNING id)
				INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
				SELECT sluice.uuid_v7(), w.id, gen_random_uuid(), 1 + (random() * 4)::int, -- in a grid, so that some are due alike
				       now() + interval '1 minute' * round((random() * 8 - 7)), 'x' FROM w, generate_series(1, $8::int)`,
				fmt.Sprint("w", n), maybe(12), maybe(8), maybe(5), []*float64{nil, nil, new(0.001)}[rnd.IntN(3)], 1+rnd.IntN(9),
				cohorts[rnd.IntN(len(cohorts))], rnd.IntN(20))
		}
		items := b.pending(t)
		ids := idsOf(items)
		places := 1 + rnd.IntN(20)
		waits, err := facts.Waits(t.Context(), b.pool, places, ids...)
		require.NoError(t, err)
		require.Len(t, waits, len(items))
		for _, item := range items[:min(len(items), 5)] { // asked for alone it is told the same
			alone, err := facts.Waits(t.Context(), b.pool, places, item.ID)
			require.NoError(t, err)
			require.Equal(t, map[uuid.UUID]facts.Wait{item.ID: waits[item.ID]}, alone, "seed %d", seed)
		}

		slices.SortFunc(items, func(a, b facts.View) int {
			return cmp.Or(admission.Due(a.AvailableAt, a.Priority, step).Compare(admission.Due(b.AvailableAt, b.Priority, step)),
				cmp.Compare(a.Priority, b.Priority), bytes.Compare(a.ID[:], b.ID[:]))
		})
		granted := map[uuid.UUID]int{}
		capacities, err := facts.Capacities(t.Context(), b.pool, 10_000)
		require.NoError(t, err)
		for i := range capacities {
			for _, g := range admission.Decide(capacities[i].Input(math.MaxInt32)).Grants {
				granted[g.ID] = g.Slots
			}
		}
		now := one[time.Time](t, b.pool, `SELECT now()`)
		place := map[uuid.UUID]int{}
		for _, item := range items {
			w := waits[item.ID]
			seen[w.Reason]++
			if item.AvailableAt.After(now) {
				require.Equal(t, facts.Wait{Reason: admission.Scheduled}, w, "seed %d", seed)
				continue
			}
			place[item.WorkspaceID]++
			require.Equal(t, min(place[item.WorkspaceID], places), w.Place, "seed %d", seed)
			require.Equal(t, place[item.WorkspaceID] > places, w.More, "seed %d", seed)
			starts := place[item.WorkspaceID] <= granted[item.WorkspaceID]
			require.Equal(t, starts, w.Reason == "", "seed %d: %v", seed, w)
			if !starts {
				require.Equal(t, granted[item.WorkspaceID] > 0, w.Reason == admission.BehindPriority, "seed %d: %v", seed, w)
			}
		}
	}
	for _, reason := range []admission.Reason{"", admission.Scheduled, admission.BehindPriority, admission.AtCapacity, admission.BorrowLimit,
		admission.GlobalLimit, admission.CohortLimit} {
		require.NotZero(t, seen[reason], "%v", seen)
	}
}

func TestWhyAnItemWaits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	plain := b.item()
	plain.priority = 5
	low := b.enqueue(t, plain)
	wait := func() facts.Wait {
		waits, err := facts.Waits(t.Context(), b.pool, 3, low)
		require.NoError(t, err)
		return waits[low]
	}
	require.Equal(t, facts.Wait{Place: 1}, wait(), "it goes next")
	plain.priority = 1
	b.enqueue(t, plain)
	require.Equal(t, facts.Wait{Place: 2}, wait(), "and so do the first five")
	for range 4 {
		b.enqueue(t, plain)
	}
	require.Equal(t, facts.Wait{Reason: admission.BehindPriority, Place: 3, More: true}, wait())
	b.exec(t, `UPDATE sluice.pending SET available_at = available_at - interval '21 minutes' WHERE id = $1`, low)
	require.Equal(t, facts.Wait{Place: 1}, wait(), "it has aged")
	b.setLimit(t, "STARTER", 0)
	require.Equal(t, facts.Wait{Reason: admission.AtCapacity, Place: 1}, wait())
	b.exec(t, `UPDATE sluice.pending SET available_at = now() + interval '1 hour' WHERE id = $1`, low)
	require.Equal(t, facts.Wait{Reason: admission.Scheduled}, wait())

	b.cancel(t, low)
	waits, err := facts.Waits(t.Context(), b.pool, 3, low)
	require.NoError(t, err)
	require.Empty(t, waits, "it waits no longer")
	waits, err = facts.Waits(t.Context(), b.pool, 3)
	require.NoError(t, err)
	require.Empty(t, waits)
}

// However long the backlog is, looking at one item reads a few of each priority.
func TestWaitsReadNoMoreThanTheyAreAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, priority, enqueued_by)
		SELECT sluice.uuid_v7(), $1, gen_random_uuid(), 1 + n % 5, 'x' FROM generate_series(1, 2000) AS n`, b.workspace)
	last := one[uuid.UUID](t, b.pool, `SELECT id FROM sluice.pending ORDER BY id DESC LIMIT 1`)
	for _, mode := range []string{custom, generic} {
		read := b.read(t, mode, facts.WaitsSQL, []uuid.UUID{last}, []uuid.UUID{b.workspace}, []int{starterLimit}, 10)["pending"]
		// One for the item, five of each priority up to the last that may start, ten or a few more before the item.
		require.Positive(t, read)
		require.LessOrEqual(t, read, 1+25+15.0, mode)
	}
}
