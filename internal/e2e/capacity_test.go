package e2e

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

// oneSecond is long enough that all slots of a workspace are taken before the first is free again, on a busy machine too.
const oneSecond = `{"duration":"1s"}`

func TestNoWorkspaceExceedsItsCapAndNoneWaitsForAnother(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	limits := []int{1, 2, 3, 5}
	var all []queue.Item
	workspaces := make([]admin.Workspace, len(limits))
	for i, limit := range limits {
		workspaces[i] = s.workspace(s.tier(limit))
		def := s.definition(workspaces[i].ID, node{kind: "delay", config: oneSecond})
		for range 4 * limit {
			all = append(all, queue.Item{WorkspaceID: workspaces[i].ID, DefinitionID: def.ID})
		}
	}
	blocked := s.workspace(s.tier(0)) // the oldest backlog belongs to a workspace that may run nothing
	def := s.definition(blocked.ID, node{kind: "noop"})
	for range 20 {
		s.enqueue(queue.Item{WorkspaceID: blocked.ID, DefinitionID: def.ID})
	}
	_, err := s.queue.EnqueueMany(s.ctx, all)
	require.NoError(t, err)
	s.dispatch(workflows.State{Tunables: workflows.Tunables{BatchSize: 4}})
	s.awaitCount(len(all), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	for i, ws := range workspaces {
		require.Equal(t, limits[i], s.peak(ws.ID), "uses its whole cap and never more")
	}
	require.Zero(t, s.peak(blocked.ID))
	s.eventually(func() bool { // the dispatcher counts a start when its dispatch is over, which may be after the execution
		status, err := operate.Status(s.ctx, s.client)
		return err == nil && status.Totals.Started == int64(len(all)) && maps.Equal(map[string]int{"at-capacity": 1}, status.Waiting)
	}, patience, "all are started, and one workspace is at its capacity")
	s.audit()
}

func TestLimitsChangeWhileRunning(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	plan := s.tier(4)
	ws := s.workspace(plan)
	def := s.definition(ws.ID, node{kind: "delay", config: `{"duration":"1h"}`})
	for range 10 {
		s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID})
	}
	held := `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`
	s.awaitCount(4, held)

	raised, cut := 6, 2
	_, err := s.admin.SetTier(s.ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &raised}, "test")
	require.NoError(t, err)
	s.awaitCount(6, held) // the dispatcher hears of the raise itself

	_, err = s.admin.SetTier(s.ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &cut}, "test")
	require.NoError(t, err)
	running, err := s.queue.List(s.ctx, queue.Filter{Status: "RUNNING"})
	require.NoError(t, err)
	require.Len(t, running, 6, "a cut kills nothing")
	for _, item := range running[:5] {
		require.NoError(t, operate.Cancel(s.ctx, s.client, operate.Execution(item.ID)))
	}
	s.awaitCount(5, `SELECT count(*) FROM sluice.executions WHERE status = 'CANCELLED'`)
	s.awaitCount(2, held) // drained to 1, then refilled to 2 and no further
	require.Equal(t, 3, s.count(`SELECT count(*) FROM sluice.pending`))
	s.audit()
}

func TestHigherPrioritiesGoFirst(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.host(nil)
	ws := s.workspace(s.tier(1))
	def := s.definition(ws.ID, node{kind: "noop"})
	for _, priority := range []int{5, 3, 1, 4, 2} {
		s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: def.ID, Priority: priority})
	}
	s.dispatch(workflows.State{})
	s.awaitCount(5, `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	var order []int
	require.NoError(t, s.pool.QueryRow(s.ctx, `SELECT array_agg(priority ORDER BY claimed_at) FROM sluice.ended`).Scan(&order))
	require.Equal(t, []int{1, 2, 3, 4, 5}, order)
	require.Equal(t, 1, s.peak(ws.ID))
}
