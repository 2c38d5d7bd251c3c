package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

func TestPausedNothingStartsAndStoppedTheDispatcherIsGone(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})

	paused, err := operate.Pause(s.ctx, s.client, s.pool, workflows.PauseRequest{Actor: "ann", Reason: "deploy"})
	require.NoError(t, err)
	require.Equal(t, workflows.PhasePaused, paused[0].Phase)
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	size := 5
	configured, err := operate.Configure(s.ctx, s.client, s.pool, workflows.ConfigureRequest{Actor: "ann", BatchSize: &size})
	require.NoError(t, err)
	require.Equal(t, 5, configured[0].Tunables.BatchSize)
	item, err := s.queue.Get(s.ctx, id)
	require.NoError(t, err)
	require.Equal(t, "PENDING", item.Status)

	_, err = operate.Resume(s.ctx, s.client, s.pool, workflows.ResumeRequest{Actor: "ann"})
	require.NoError(t, err)
	s.await(id, workflows.StatusCompleted)

	require.NoError(t, operate.Stop(s.ctx, s.client, s.pool, workflows.StopRequest{Actor: "ann"}, operate.StopOptions{}))
	_, err = operate.Status(s.ctx, s.client)
	require.ErrorIs(t, err, operate.ErrNotRunning)
	second := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	s.dispatch(workflows.State{}) // started again it goes on
	s.await(second, workflows.StatusCompleted)
	require.Equal(t, 4, s.count(`SELECT count(*) FROM sluice.activity WHERE actor = 'ann' AND action LIKE 'dispatcher-%'`))
}

// Messages are answered soon although the loop spins and drains: one second inside a workflow task at most, twice
// while a spin follows.
func TestMessagesAreAnsweredUnderLoad(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace(s.tier(3))
	def := s.definition(ws.ID, node{kind: "noop"})
	items := make([]queue.Item, 200)
	for i := range items {
		items[i] = queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}
	}
	_, err := s.queue.EnqueueMany(s.ctx, items)
	require.NoError(t, err)
	size := 50
	start := time.Now()
	_, err = operate.Configure(s.ctx, s.client, s.pool, workflows.ConfigureRequest{Actor: "ann", BatchSize: &size})
	require.NoError(t, err)
	t.Logf("update under load answered after %s", time.Since(start))
	start = time.Now()
	_, err = operate.Status(s.ctx, s.client)
	require.NoError(t, err)
	t.Logf("query under load answered after %s", time.Since(start))
	s.awaitCount(len(items), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	require.LessOrEqual(t, s.peak(ws.ID), 3)
}

func TestNothingIsClaimedAfterAPauseUnderLoad(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	ws := s.workspace(s.tier(3))
	def := s.definition(ws.ID, node{kind: "noop"})
	items := make([]queue.Item, 3000) // more than are done before the last pause
	for i := range items {
		items[i] = queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}
	}
	_, err := s.queue.EnqueueMany(s.ctx, items)
	require.NoError(t, err)
	for range 3 {
		done := s.count(`SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
		require.Eventually(t, func() bool {
			return s.count(`SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`) > done
		}, patience, 10*time.Millisecond, "it dispatches")
		_, err := operate.Pause(s.ctx, s.client, s.pool, workflows.PauseRequest{Actor: "ann"})
		require.NoError(t, err)
		var answered time.Time
		require.NoError(t, s.pool.QueryRow(s.ctx, `SELECT clock_timestamp()`).Scan(&answered))
		s.awaitCount(0, `SELECT count(*) FROM sluice.running`)
		require.Positive(t, s.count(`SELECT count(*) FROM sluice.pending`), "there was more to claim")
		require.Zero(t, s.count(`SELECT count(*) FROM sluice.queue_items WHERE claimed_at > $1`, answered))
		_, err = operate.Resume(s.ctx, s.client, s.pool, workflows.ResumeRequest{Actor: "ann"})
		require.NoError(t, err)
	}
}

func TestTheDispatcherContinuesAsNewUnderLoadAndLosesNothing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	ws := s.workspace(s.tier(4))
	def := s.definition(ws.ID, node{kind: "noop"})
	items := make([]queue.Item, 60)
	for i := range items {
		items[i] = queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}
	}
	s.dispatch(workflows.State{ContinueEvery: 3, Tunables: workflows.Tunables{BatchSize: 5}})
	_, err := s.queue.EnqueueMany(s.ctx, items)
	require.NoError(t, err)
	s.awaitCount(len(items), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	require.Greater(t, s.count(takeovers), 5, "each run took the shard over")
	require.LessOrEqual(t, s.peak(ws.ID), 4)
	s.audit()
}

// A worker that stops leaves the wait to another; one that is killed is found by the heartbeat.
func TestAnotherWorkerTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	stop := s.host(nil)
	s.dispatch(workflows.State{})
	ws := s.workspace("PRO")
	def := s.definition(ws.ID, node{kind: "noop"})
	s.await(s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}), workflows.StatusCompleted)
	s.awaitWaiting(1)
	s.host(nil)
	stop()
	start := time.Now()
	s.await(s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID}), workflows.StatusCompleted)
	t.Logf("dispatched by the other worker after %s", time.Since(start))
	s.audit()
}
