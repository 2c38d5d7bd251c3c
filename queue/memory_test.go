package queue_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/queue"
)

// remembering is a dispatcher that remembers, in a world where everything happens.
type remembering struct {
	*bundle
	rnd        *rand.Rand
	memory     *queue.Memory
	workspaces []uuid.UUID
	cancelled  map[uuid.UUID]bool // since its items were last read from the beginning
	open       []pgx.Tx
}

// What is remembered leads to the same decision as reading everything, whatever happens between the cycles.
func TestWhatIsRememberedIsWhatWouldBeRead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `DELETE FROM sluice.workflow_definition_versions; DELETE FROM sluice.workflow_definitions; DELETE FROM sluice.workspaces`)
	kept := 0
	for seed := range uint64(8) {
		b.exec(t, `TRUNCATE sluice.execution_queue, sluice.slots, sluice.shares, sluice.lines, sluice.workflow_executions, sluice.execution_inputs, sluice.refused_items;
			DELETE FROM sluice.workspaces; UPDATE sluice.settings SET max_concurrent_workflows = NULL`)
		r := &remembering{bundle: b, rnd: rand.New(rand.NewPCG(seed, 6)), memory: b.dispatcher.Memory(), cancelled: map[uuid.UUID]bool{}}
		for n := range 7 {
			r.workspaces = append(r.workspaces, one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name, plan, cohort) VALUES ($1, $2, $3) RETURNING id`,
				fmt.Sprint("w", n), []string{"FREE", "STARTER", "PRO"}[n%3], []*string{nil, nil, ptr("a")}[n%3]))
		}
		for range 120 {
			what := r.happen(t)
			if r.memory.Known() {
				kept++
			}
			r.check(t, fmt.Sprintf("seed %d: %s", seed, what))
		}
		for _, tx := range r.open {
			require.NoError(t, tx.Rollback(t.Context()))
		}
		b.checkInvariants(t)
	}
	require.Greater(t, kept, 500, "it does not simply read everything")
}

func (r *remembering) workspace() uuid.UUID { return r.workspaces[r.rnd.IntN(len(r.workspaces))] }

func (r *remembering) insert(t *testing.T, tx pgx.Tx, n int) {
	t.Helper()
	_, err := tx.Exec(t.Context(), `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
		SELECT sluice.uuid_v7(), $1, gen_random_uuid(), $2, now() + $3::interval, 'x' FROM generate_series(1, $4::int)`,
		r.workspace(), 1+r.rnd.IntN(5), []time.Duration{0, 0, 0, time.Hour}[r.rnd.IntN(4)], n)
	require.NoError(t, err)
}

// happen lets one thing happen.
func (r *remembering) happen(t *testing.T) string {
	t.Helper()
	switch n := r.rnd.IntN(20); {
	case n < 5:
		require.NoError(t, pgx.BeginFunc(t.Context(), r.pool, func(tx pgx.Tx) error { r.insert(t, tx, 1+r.rnd.IntN(30)); return nil }))
		return "items arrive"
	case n < 7 && len(r.open) < 3:
		tx := r.begin(t)
		r.insert(t, tx, 1+r.rnd.IntN(3))
		r.open = append(r.open, tx)
		return "a transaction inserts items"
	case n < 9 && len(r.open) > 0:
		require.NoError(t, r.open[0].Commit(t.Context()))
		r.open = r.open[1:]
		return "a transaction commits items"
	case n < 10:
		for _, id := range list[uuid.UUID](t, r.pool, `SELECT id FROM sluice.execution_queue ORDER BY random() LIMIT 1`) {
			r.cancelled[one[uuid.UUID](t, r.pool, `SELECT workspace_id FROM sluice.execution_queue WHERE id = $1`, id)] = true
			cancel(t, r.bundle, id)
		}
		return "an item is cancelled"
	case n < 13:
		for _, id := range list[uuid.UUID](t, r.pool, `SELECT execution_id FROM sluice.slots ORDER BY random() LIMIT 4`) {
			r.end(t, id, "COMPLETED")
		}
		return "executions end"
	case n < 14:
		for _, id := range list[uuid.UUID](t, r.pool, `SELECT execution_id FROM sluice.slots WHERE NOT dispatched LIMIT 1`) {
			r.requeue(t, 3, failedStart(id))
		}
		return "a start fails"
	case n < 15:
		r.exec(t, `UPDATE sluice.workspaces SET max_concurrent_workflows = $2, weight = $3 WHERE id = $1`, r.workspace(), r.rnd.IntN(8), 1+r.rnd.IntN(3))
		return "the limit of a workspace changes"
	case n < 16 && r.rnd.IntN(3) == 0:
		r.exec(t, `UPDATE sluice.workspaces SET cohort = $2 WHERE id = $1`, r.workspace(), []*string{nil, ptr("0"), ptr("a")}[r.rnd.IntN(3)])
		return "a workspace changes its cohort"
	case n < 16 && r.rnd.IntN(3) == 0:
		r.exec(t, `UPDATE sluice.settings SET max_concurrent_workflows = $1`, []*int{nil, ptr(10), ptr(30)}[r.rnd.IntN(3)])
		return "the global limit changes"
	case n < 17 && r.rnd.IntN(3) == 0:
		r.decide(t, 1+r.rnd.IntN(20))
		return "somebody else claims"
	}
	r.admit(t, 1+r.rnd.IntN(40))
	return "a cycle"
}

// admit is a cycle of the dispatcher.
func (r *remembering) admit(t *testing.T, batch int) (queue.Claimed, []queue.Grant) {
	t.Helper()
	r.openEpoch(t, "run")
	r.fence.Cycle++
	d, err := r.memory.Decide(t.Context(), r.fence, batch)
	require.NoError(t, err)
	claimed, err := r.memory.Claim(t.Context(), r.fence, d.Grants, d.Lines...)
	require.NoError(t, err)
	for _, g := range d.Grants {
		if r.cancelled[g.WorkspaceID] {
			return claimed, nil
		}
	}
	granted := 0
	for _, g := range d.Grants {
		granted += g.Slots
	}
	require.Equal(t, granted, claimed.New, "what was granted could be taken")
	return claimed, d.Grants
}

// check compares what is remembered with what is there.
func (r *remembering) check(t *testing.T, why string) {
	t.Helper()
	batch := 1 + r.rnd.IntN(40)
	got, err := r.memory.Capacity(t.Context(), queue.Fence{}, batch)
	require.NoError(t, err)
	want, err := r.dispatcher.Capacity(t.Context(), 1000)
	require.NoError(t, err)
	require.Equal(t, want.Limit, got.Limit, why)
	require.Equal(t, want.Used, got.Used, why)
	require.Equal(t, want.Cohorts, got.Cohorts, why)
	remembered := map[uuid.UUID]queue.WorkspaceCapacity{}
	for _, w := range got.Workspaces {
		remembered[w.WorkspaceID] = w
	}
	for _, w := range want.Workspaces {
		m, known := remembered[w.WorkspaceID]
		delete(remembered, w.WorkspaceID)
		require.True(t, known, "%s: %+v is not known", why, w)
		enough := func(ready int) int { return min(ready, batch, max(1, w.Limit)) }
		if r.cancelled[w.WorkspaceID] {
			require.GreaterOrEqual(t, enough(m.Ready), enough(w.Ready), why)
		} else {
			require.Equal(t, enough(w.Ready), enough(m.Ready), "%s: %+v", why, w)
		}
		require.True(t, w.NextDue == nil || m.NextDue != nil && !m.NextDue.After(*w.NextDue), "%s: %+v", why, w)
		m.Ready, m.Since, m.NextDue, w.Ready, w.Since, w.NextDue = 0, nil, nil, 0, nil, nil
		require.Equal(t, w, m, why)
	}
	require.Empty(t, r.memory.Overlooked(batch), why)
	decided, decidedAnew := r.memory.Decided(batch), admission.Decide(got.Input(batch))
	require.Equal(t, queue.Grants(decidedAnew), decided.Grants, why)
	require.Equal(t, got.Lines(decidedAnew), decided.Lines, why)
	require.Equal(t, decidedAnew.Waiting, decided.Waiting, why)
	for id, w := range remembered {
		require.True(t, r.cancelled[id], "%s: %+v has no backlog", why, w)
	}
}

func TestAScheduledItemIsRememberedUntilItIsDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	memory := b.dispatcher.Memory()
	_, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
	require.NoError(t, err)
	item := b.item()
	item.AvailableAt = time.Now().Add(50 * time.Millisecond)
	b.enqueue(t, item)
	require.Eventually(t, func() bool {
		got, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
		require.NoError(t, err)
		require.Len(t, got.Workspaces, 1)
		require.Empty(t, memory.Overlooked(10))
		return got.Workspaces[0].Ready == 1
	}, 10*time.Second, 5*time.Millisecond)
}

// A claim that finds enough behind the rows that somebody holds goes on from there. The sweep looks back.
func TestTheSweepFindsWhatAClaimPassedOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 3)
	holder := b.begin(t)
	_, err := holder.Exec(t.Context(), `SELECT FROM sluice.execution_queue WHERE id = $1 FOR UPDATE`, ids[0])
	require.NoError(t, err)
	memory := b.dispatcher.Memory()
	b.openEpoch(t, "run")
	claim := func(n int) int {
		_, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
		require.NoError(t, err)
		b.fence.Cycle++
		claimed, err := memory.Claim(t.Context(), b.fence, b.grant(n))
		require.NoError(t, err)
		return claimed.New
	}
	require.Equal(t, 1, claim(1))
	require.NoError(t, holder.Rollback(t.Context()))
	require.Equal(t, 1, claim(1))
	memory.SweepNow()
	require.Equal(t, 1, claim(1))
	require.ElementsMatch(t, ids, b.held(t))
	b.checkInvariants(t)
}

// What nobody rang for is found by the sweep, and what has gone is forgotten.
func TestTheSweepFindsWhatNoBellTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, b.item())
	other, definition := b.newWorkspace(t, "other", "STARTER")
	memory := b.dispatcher.Memory()
	ready := func() (known []uuid.UUID) {
		c, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
		require.NoError(t, err)
		for _, w := range c.Workspaces {
			known = append(known, w.WorkspaceID)
		}
		return known
	}
	require.Equal(t, []uuid.UUID{b.workspace}, ready())
	cancel(t, b, id)
	b.enqueue(t, queue.Item{WorkspaceID: other, DefinitionID: definition})
	b.exec(t, `DELETE FROM sluice.doorbell`)
	require.Equal(t, []uuid.UUID{b.workspace}, ready(), "nobody told")
	memory.SweepNow()
	require.Equal(t, []uuid.UUID{other}, ready())
}

func TestAClaimThatComesShortHasItsWorkspaceReadAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	memory := b.dispatcher.Memory()
	id := b.enqueue(t, b.item())
	known, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
	require.NoError(t, err)
	require.Len(t, known.Workspaces, 1)
	cancel(t, b, id)
	b.fence.Cycle++
	claimed, err := memory.Claim(t.Context(), b.fence, b.grant(1))
	require.NoError(t, err)
	require.Zero(t, claimed.New)
	known, err = memory.Capacity(t.Context(), queue.Fence{}, 10)
	require.NoError(t, err)
	require.Empty(t, known.Workspaces)
}

// Each workspace is remembered by the dispatcher of its shard and by no other, whoever owned it before.
func TestEachShardRemembersItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	all := []uuid.UUID{b.workspace}
	for n := range 40 { // more than one part of the sweep
		id := one[uuid.UUID](t, b.pool, `INSERT INTO sluice.workspaces (name, plan) VALUES ($1, 'STARTER') RETURNING id`, fmt.Sprint("w", n))
		all = append(all, id)
	}
	memories := []*queue.Memory{}
	for shard := range 3 {
		memories = append(memories, b.dispatcher.Shard(shard).Memory())
	}
	known := func() (known []uuid.UUID) {
		for shard, memory := range memories {
			c, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
			require.NoError(t, err)
			for _, w := range c.Workspaces {
				require.Equal(t, shard, one[int](t, b.pool, `SELECT sluice.shard_of(id, cohort, shards) FROM sluice.workspaces, sluice.settings WHERE id = $1`, w.WorkspaceID))
				known = append(known, w.WorkspaceID)
			}
		}
		return known
	}
	require.Empty(t, known())
	for _, n := range []int{1, 3, 2} {
		require.NoError(t, b.app.SetShards(t.Context(), n, "ann"))
		for _, id := range all {
			b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, enqueued_by) VALUES (sluice.uuid_v7(), $1, gen_random_uuid(), 'x')`, id)
		}
		require.ElementsMatch(t, all, known(), "%d shards", n)
		for range 3 { // all parts of the sweep
			for _, memory := range memories {
				memory.SweepNow()
			}
			require.ElementsMatch(t, all, known(), "%d shards", n)
		}
	}
}

// Whatever is claimed is found by the next dispatch, whoever claimed it and whenever.
func TestADispatchFindsEveryClaim(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	memory := b.dispatcher.Memory()
	ids := b.enqueueN(t, 4)
	dispatched := func() (found []uuid.UUID) {
		_, claims, err := memory.BeginDispatch(t.Context(), b.fence, 10)
		require.NoError(t, err)
		for _, c := range claims {
			found = append(found, c.ExecutionID)
		}
		return found
	}
	require.Empty(t, dispatched())
	b.claim(t, 1)
	require.Equal(t, ids[:1], dispatched())
	require.Equal(t, ids[:1], dispatched(), "not settled yet")
	b.dispatch(t, ids[0])
	b.claim(t, 1)
	b.exec(t, `UPDATE sluice.slots SET claimed_at = claimed_at - interval '3 seconds' WHERE NOT dispatched`)
	require.Equal(t, ids[1:2], dispatched(), "the clock was set back")
	b.claim(t, 1)
	require.ElementsMatch(t, ids[1:3], dispatched())
	// An earlier claim of another shard becomes this one's: the number of shards rings, and everything is read again.
	b.exec(t, `UPDATE sluice.slots SET claimed_at = claimed_at - interval '1 hour' WHERE execution_id = $1`, ids[1])
	_, err := memory.Capacity(t.Context(), queue.Fence{}, 10)
	require.NoError(t, err)
	require.NoError(t, b.app.SetShards(t.Context(), 2, "ann"))
	require.NoError(t, b.app.SetShards(t.Context(), 1, "ann"))
	_, err = memory.Capacity(t.Context(), queue.Fence{}, 10)
	require.NoError(t, err)
	require.ElementsMatch(t, ids[1:3], dispatched())
}

// A dispatcher knows where its row is, and claims what it was granted also when somebody has written it since.
func TestADispatcherKnowsItsRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	memory := b.dispatcher.Memory()
	row := func() pgtype.TID {
		return one[pgtype.TID](t, b.pool, `SELECT ctid FROM sluice.dispatchers WHERE shard = 0`)
	}
	for _, moved := range []bool{false, true, false, true} {
		id := b.enqueue(t, b.item())
		b.fence.Cycle++
		d, err := memory.Decide(t.Context(), b.fence, 1)
		require.NoError(t, err)
		require.Equal(t, row(), memory.Row())
		if moved {
			b.exec(t, `UPDATE sluice.dispatchers SET updated_at = now()`)
			require.NotEqual(t, row(), memory.Row())
		}
		claimed, err := memory.Claim(t.Context(), b.fence, d.Grants, d.Lines...)
		require.NoError(t, err)
		require.Equal(t, 1, claimed.New)
		require.Equal(t, row(), memory.Row())
		require.True(t, memory.Known())
		b.end(t, id, "COMPLETED")
	}
}
