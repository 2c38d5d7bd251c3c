package host_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/worker/host"
	"sluice/workflows"
)

// needs makes a workspace with a definition that names workflow types for its own task queue, and an execution of it that runs.
func (b *bench) needs(t *testing.T, types ...string) uuid.UUID {
	t.Helper()
	nodes := ""
	for i, name := range types {
		nodes += fmt.Sprintf(`%s{"type": "workflow", "config": {"workflowType": %q}}`, map[bool]string{true: ", "}[i > 0], name)
	}
	var workspace uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), `
		WITH w AS (INSERT INTO sluice.workspaces (name) VALUES (gen_random_uuid()::text) RETURNING id),
		     d AS (INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT id, 'it' FROM w RETURNING id, workspace_id),
		     v AS (INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT id, 1, $1 FROM d RETURNING id),
		     r AS (INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, workflow_version_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
		           SELECT sluice.uuid_v7(), d.workspace_id, d.id, v.id, 3, 0, now(), now(), now(), 'TEST', 'test' FROM d, v)
		SELECT id FROM w`, `{"nodes": [`+nodes+`]}`).Scan(&workspace))
	return workspace
}

func types(names ...string) func(worker.WorkflowRegistry) {
	return func(r worker.WorkflowRegistry) {
		for _, name := range names {
			r.RegisterWorkflowWithOptions(greet, workflow.RegisterOptions{Name: name})
		}
	}
}

// failedTasks counts the workflow tasks of a workflow that failed, or timed out in the hands of a worker. One of a sticky queue that waits
// for longer than a second goes to the other workers, which on a busy machine says nothing.
func (b *bench) failedTasks(t *testing.T, run client.WorkflowRun) (n int) {
	t.Helper()
	for events := b.client.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			n++
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
			if event.GetWorkflowTaskTimedOutEventAttributes().GetTimeoutType() != enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
				n++
			}
		}
	}
	return n
}

func (b *bench) start(t *testing.T, workspace uuid.UUID, what string) client.WorkflowRun {
	t.Helper()
	run, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: fmt.Sprintf("%s-%s", what, uuid.New()), TaskQueue: workflows.WorkspaceTaskQueue(workspace),
	}, what, "")
	require.NoError(t, err)
	return run
}

func (b *bench) settled(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, 20*time.Millisecond, what)
}

// A stock worker beside an own program, and an older version of that beside a newer one.
func TestAWorkerThatLacksATypeLeavesItsTasksToOneThatHasIt(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	stock := b.run(t, func(c *host.Config) { c.RegisterWorkflows = nil })
	older := b.run(t, func(c *host.Config) { c.RegisterWorkflows = types("Greet") })
	newer := b.run(t, func(c *host.Config) { c.RegisterWorkflows = types("Greet", "Part") })
	b.settled(t, "all workers are known", func() bool {
		var n int
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.live_workers`).Scan(&n))
		return n == 3
	})
	both := b.needs(t, "Greet", "Part")
	b.needs(t)
	b.settled(t, "the newest alone hosts what needs its types; all host what needs none", func() bool {
		return stock.Stats().Foreign == 1 && older.Stats().Foreign == 1 && newer.Stats().Foreign == 0 &&
			stock.Stats().Hosted == 1 && older.Stats().Hosted == 1 && newer.Stats().Hosted == 2
	})
	var runs []client.WorkflowRun
	for range 10 {
		runs = append(runs, b.start(t, both, "Greet"), b.start(t, both, "Part"))
	}
	for _, run := range runs {
		require.NoError(t, run.Get(t.Context(), nil))
		require.Zero(t, b.failedTasks(t, run))
	}
}

// What nobody has is nobody's: it fails where it is asked for, and everything else of the workspace runs.
func TestATypeThatNobodyHasHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	stock := b.run(t, func(c *host.Config) { c.RegisterWorkflows = nil })
	own := b.run(t, nil)
	b.settled(t, "both are ready", func() bool { return stock.Ready() == nil && own.Ready() == nil })
	id := b.needs(t, "Greet", "Nowhere")
	run := b.start(t, id, "Greet")
	require.NoError(t, run.Get(t.Context(), nil))
	require.Zero(t, b.failedTasks(t, run))
	var missing string
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT string_agg(workflow_type, ',') FROM sluice.missing_types WHERE workspace_id = $1`, id).Scan(&missing))
	require.Equal(t, "Nowhere", missing)
}

// workflow makes a workspace with an item that runs, a workflow of one's own.
func (b *bench) workflow(t *testing.T, workflowType, taskQueue string) (workspace uuid.UUID) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), `
		WITH w AS (INSERT INTO sluice.workspaces (name) VALUES (gen_random_uuid()::text) RETURNING id)
		INSERT INTO sluice.running (id, workspace_id, workflow_type, task_queue, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
		SELECT sluice.uuid_v7(), w.id, $1, replace($2, '{workspace}', w.id::text), 3, 0, now(), now(), now(), 'TEST', 'test' FROM w
		RETURNING workspace_id`, workflowType, taskQueue).Scan(&workspace))
	return workspace
}

// Workflows of one's own on other task queues, or of types that only workers elsewhere have, take no place and no task here.
func TestWorkflowsOfOnesOwnAreHostedWhereTheirTypeIs(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	stock := b.run(t, func(c *host.Config) { c.RegisterWorkflows = nil })
	own := b.run(t, nil)
	b.workflow(t, "Greet", "orders")
	b.workflow(t, "InPython", "workflow.workspace.{workspace}")
	greets := b.workflow(t, "Greet", "workflow.workspace.{workspace}")
	b.needs(t)
	b.settled(t, "the own type and the definition are hosted", func() bool { return own.Stats().Hosted == 2 && stock.Stats().Hosted == 1 })
	run := b.start(t, greets, "Greet")
	require.NoError(t, run.Get(t.Context(), nil))
	require.Zero(t, b.failedTasks(t, run))
	require.Equal(t, 2, own.Stats().Hosted)
	require.Equal(t, 1, stock.Stats().Hosted)

	// Where the workspace has a definition to run as well, a worker without the type leaves it to the one that has it.
	_, err := b.pool.Exec(t.Context(), `INSERT INTO sluice.running
		(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by)
		VALUES (sluice.uuid_v7(), $1, gen_random_uuid(), 3, 0, now(), now(), now(), 'TEST', 'test')`, greets)
	require.NoError(t, err)
	b.settled(t, "it is left", func() bool { return stock.Stats().Foreign == 1 && own.Stats().Hosted == 2 })

	// A type is missing where nobody carries the workflow on.
	missing := func() (types []string) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT coalesce(array_agg(workflow_type), '{}') FROM sluice.missing_types`).Scan(&types))
		return types
	}
	require.Empty(t, missing())
	_, err = b.pool.Exec(t.Context(), `UPDATE sluice.running SET unserved_since = now()`)
	require.NoError(t, err)
	require.Equal(t, []string{"InPython"}, missing())
}

// Two programs with a type each: neither may leave the workspace, or nobody would serve it.
func TestTwoWorkersWithPartOfTheTypesBothHost(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	one := b.run(t, func(c *host.Config) { c.RegisterWorkflows = types("One") })
	two := b.run(t, func(c *host.Config) { c.RegisterWorkflows = types("Two") })
	b.needs(t, "One", "Two")
	b.settled(t, "both host it", func() bool { return one.Stats().Hosted == 1 && two.Stats().Hosted == 1 })
}

// The last worker that has a type goes; the others wait for its successor before they take over.
func TestWorkspacesOfAWorkerThatEndedAreTakenOver(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	stock := b.run(t, func(c *host.Config) { c.RegisterWorkflows = nil })
	own, stop := b.runUntil(t, nil)
	b.needs(t, "Greet")
	b.settled(t, "the program hosts it", func() bool { return own.Stats().Hosted == 1 && stock.Stats().Foreign == 1 })
	stopped := time.Now()
	require.NoError(t, stop())
	b.settled(t, "the stock worker hosts it", func() bool { return stock.Stats().Hosted == 1 })
	require.Greater(t, time.Since(stopped), 10*time.Second, "it left time for a restart")
}

func TestWhatOnlyWaitsTakesNoPlace(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *host.Config) { c.PollBudget, c.IdleTimeout = 12+2, time.Hour })
	_, err := b.pool.Exec(t.Context(), `
		WITH w AS (INSERT INTO sluice.workspaces (name, max_concurrent_workflows) SELECT 'idle-' || n, 0 FROM generate_series(1, 1000) n RETURNING id)
		INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input) SELECT sluice.uuid_v7(), id, gen_random_uuid(), 'test', '{}' FROM w`)
	require.NoError(t, err)
	b.settled(t, "the queue has been looked at", func() bool { return b.host.Ready() == nil })
	busy := uuid.New()
	b.occupy(t, busy) // claimed, and not started yet
	for range 5 {
		require.Equal(t, "hello", b.greet(t, busy, ""))
		require.Equal(t, host.Stats{Hosted: 1, Limit: 1}, b.host.Stats())
	}
}

// Between them, workers with few places host everything at once, and go on when one of them is gone.
func TestSmallWorkersShareAFleet(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	small := func(c *host.Config) { c.PollBudget, c.TurnInterval = 12+2*4, time.Hour } // 4 places, and no turns
	b.run(t, small)
	b.run(t, small)
	var ids []uuid.UUID
	for range 8 {
		ids = append(ids, uuid.New())
		b.occupy(t, ids[len(ids)-1])
	}
	var running sync.WaitGroup
	for _, id := range ids {
		running.Go(func() { b.greet(t, id, "") })
	}
	running.Wait()
}

func TestTheRestOfAFleetTakesOverFromAWorkerThatDied(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *host.Config) { c.PollBudget = 12 + 2 })
	// A worker that was killed while it hosted: its entry is there, and nothing renews it.
	died := uuid.New()
	id, other := uuid.New(), uuid.New()
	_, err := b.pool.Exec(t.Context(), `INSERT INTO sluice.workers (id, identity, workspaces) VALUES ($1, 'killed', $2)`, died, []uuid.UUID{id})
	require.NoError(t, err)
	b.occupy(t, other)
	b.occupy(t, id)
	require.Equal(t, "hello", b.greet(t, id, ""))
	require.Equal(t, "hello", b.greet(t, other, ""))
}

func TestAHostWithoutWorkspacesLeavesThemAll(t *testing.T) {
	t.Parallel()
	b := newServers(t)
	dispatching := b.run(t, func(c *host.Config) { c.WithoutWorkspaces = true })
	b.settled(t, "it is ready without a look at the queue", func() bool { return dispatching.Ready() == nil })
	own := b.run(t, nil)
	id := b.needs(t, "Greet")
	dispatching.EnsureWorkspace(id)
	require.NoError(t, b.start(t, id, "Greet").Get(t.Context(), nil))
	require.Zero(t, dispatching.Stats().Hosted)
	require.Equal(t, 1, own.Stats().Hosted)
	var workers int
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT count(*) FROM sluice.workers`).Scan(&workers))
	require.Equal(t, 1, workers, "it is not among those that host")
}
