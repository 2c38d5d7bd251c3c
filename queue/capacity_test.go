package queue_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

func TestCapacityOfAnEmptyQueue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	got, err := b.dispatcher.Capacity(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, got.Workspaces)
	require.NotEmpty(t, got.Mark)
	require.WithinDuration(t, time.Now(), got.Now, time.Minute)
}

func TestCapacityTellsUsageAndBacklog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.enqueueN(t, 6)
	b.claim(t, 2)
	later := b.item()
	due := inFuture().Truncate(time.Microsecond)
	for i, priority := range []int{1, 5} {
		later.AvailableAt, later.Priority = due.Add(time.Duration(1-i)*time.Minute), priority
		b.enqueue(t, later)
	}
	got, err := b.dispatcher.Capacity(t.Context(), 3)
	require.NoError(t, err)
	require.Len(t, got.Workspaces, 1)
	require.True(t, due.Equal(*got.Workspaces[0].NextDue), "the soonest of all priorities")
	require.Equal(t, one[time.Time](t, b.pool, `SELECT min(available_at) FROM sluice.execution_queue`), *got.Workspaces[0].Since)
	got.Workspaces[0].NextDue, got.Workspaces[0].Since = nil, nil
	require.Equal(t, queue.WorkspaceCapacity{WorkspaceID: b.workspace, Plan: "STARTER", Limit: 5, Nominal: 5, Weight: 2, Used: 2, Ready: 3}, got.Workspaces[0])
}

func TestReadyIsCountedUpToTheBoundOverAllPriorities(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for priority := 1; priority <= 5; priority++ {
		item := b.item()
		item.Priority = priority
		_, err := b.app.EnqueueMany(t.Context(), items(item, 4))
		require.NoError(t, err)
	}
	for bound, want := range map[int]int{1: 1, 4: 4, 6: 6, 20: 20, 100: 20} {
		got, err := b.dispatcher.Capacity(t.Context(), bound)
		require.NoError(t, err)
		require.Equal(t, want, got.Workspaces[0].Ready, "counted up to %d", bound)
	}
}

// Hopping through the index has to find what a full count finds.
func TestCapacityAgreesWithANaiveCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b.exec(t, `TRUNCATE sluice.execution_queue, sluice.slots, sluice.workspaces CASCADE`)
		b.exec(t, `INSERT INTO sluice.workspaces (id, name, plan)
			SELECT gen_random_uuid(), 'w' || n, (ARRAY['FREE', 'STARTER', 'PRO'])[1 + n % 3] FROM generate_series(1, $1::int) AS n`, 1+rnd.IntN(12))
		b.exec(t, fmt.Sprintf(`SELECT setseed(0.%d)`, seed))
		b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
			SELECT gen_random_uuid(), w.id, gen_random_uuid(), 1 + floor(random() * 5), now() + (random() - 0.5) * interval '2 days', 'x'
			FROM sluice.workspaces w, generate_series(1, $1::int) WHERE random() < 0.4`, rnd.IntN(30))
		b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by)
			VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'orphan')`)
		b.exec(t, `INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle)
			SELECT gen_random_uuid(), id, 1, 1 FROM sluice.workspaces, generate_series(1, 5) WHERE random() < 0.5`)

		bound := 1 + rnd.IntN(8)
		type row struct {
			Workspace uuid.UUID
			Ready     int
			Used      int
			Due       *time.Time
		}
		var want []row
		rows, err := b.pool.Query(t.Context(), `
			SELECT q.workspace_id, least(count(*) FILTER (WHERE available_at <= now()), $1)::int,
			       (SELECT count(*) FROM sluice.slots s WHERE s.workspace_id = q.workspace_id)::int,
			       min(available_at) FILTER (WHERE available_at > now())
			FROM sluice.execution_queue q JOIN sluice.workspaces w ON w.id = q.workspace_id GROUP BY 1 ORDER BY 1`, bound)
		require.NoError(t, err)
		for rows.Next() {
			var r row
			require.NoError(t, rows.Scan(&r.Workspace, &r.Ready, &r.Used, &r.Due))
			want = append(want, r)
		}
		require.NoError(t, rows.Err())
		capacity, err := b.dispatcher.Capacity(t.Context(), bound)
		require.NoError(t, err)
		var got []row
		for _, w := range capacity.Workspaces {
			got = append(got, row{w.WorkspaceID, w.Ready, w.Used, w.NextDue})
		}
		require.Equal(t, want, got, "seed %d", seed)
		require.True(t, slices.IsSortedFunc(got, func(a, b row) int { return bytes.Compare(a.Workspace[:], b.Workspace[:]) }))
	}
}
