package operate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/devstack/devtest"
	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/queue"
	"sluice/schema"
	"sluice/workflows"
)

const graceInTests = 300 * time.Millisecond

// system is a database and a namespace in which everything is as it should be: a workspace with two slots runs two
// executions and one item waits, another has nothing to do. The stand-in dispatcher runs and starts nothing.
type system struct {
	t         *testing.T
	pool      *pgxpool.Pool
	queue     *queue.Queue
	client    client.Client
	namespace string
	workspace queue.Workspace
	idle      queue.Workspace
	running   []uuid.UUID
	waiting   uuid.UUID
	fence     queue.Fence
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t}
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	var err error
	s.pool, err = pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(s.pool.Close)
	s.queue = queue.New(s.pool)
	s.client, s.namespace = dial(t)
	operatetest.Worker(t, s.client)
	_, err = operate.Start(t.Context(), s.client, s.namespace, workflows.State{})
	require.NoError(t, err)
	s.workspace, s.idle = s.newWorkspace("acme"), s.newWorkspace("idle")
	for range 2 {
		s.running = append(s.running, s.enqueue(s.workspace))
	}
	s.claim()
	for _, id := range s.running {
		run := s.start(workflows.ExecutionID(id), id)
		require.NoError(t, s.queue.Settle(t.Context(), []queue.Started{{ExecutionID: id, RunID: run.GetRunID()}}))
	}
	s.waiting = s.enqueue(s.workspace)
	s.awaitListed(2)
	return s
}

func (s *system) newWorkspace(name string) queue.Workspace {
	s.t.Helper()
	w, err := s.queue.CreateWorkspace(s.t.Context(), name, "FREE", "test")
	require.NoError(s.t, err)
	_, err = s.queue.ApplyDefinition(s.t.Context(), w.ID, []byte(`{"name": "x", "nodes": [{"id": "`+uuid.NewString()+`", "type": "noop"}]}`), "test")
	require.NoError(s.t, err)
	return w
}

func (s *system) enqueue(w queue.Workspace) uuid.UUID {
	s.t.Helper()
	definitions, err := s.queue.Definitions(s.t.Context(), w.ID)
	require.NoError(s.t, err)
	answer, err := s.queue.Enqueue(s.t.Context(), queue.Item{WorkspaceID: w.ID, DefinitionID: definitions[0].ID})
	require.NoError(s.t, err)
	return answer.QueueID
}

// claim takes all that may start, as the dispatcher would.
func (s *system) claim() {
	s.t.Helper()
	if s.fence.Epoch == 0 {
		epoch, err := s.queue.OpenEpoch(s.t.Context(), 0, "run")
		require.NoError(s.t, err)
		s.fence.Epoch = epoch
	}
	s.fence.Cycle++
	var grants []queue.Grant
	for _, w := range []uuid.UUID{s.workspace.ID, s.idle.ID} {
		grants = append(grants, queue.Grant{WorkspaceID: w, Slots: 2, Limit: 2})
	}
	_, err := s.queue.Claim(s.t.Context(), s.fence, grants)
	require.NoError(s.t, err)
}

// start starts an execution workflow that waits until it is cancelled.
func (s *system) start(workflowID string, item uuid.UUID) client.WorkflowRun {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: workflows.TaskQueueDefault,
		TypedSearchAttributes: workflows.ExecutionAttributes(s.workspace.ID, "FREE", "x", item),
	}, workflows.ExecutionType)
	require.NoError(s.t, err)
	return run
}

// awaitListed returns when the visibility store shows so many open executions.
func (s *system) awaitListed(n int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		open, err := operate.ListOpenExecutions(s.t.Context(), s.client)
		return err == nil && len(open) == n
	}, 20*time.Second, 20*time.Millisecond)
}

func (s *system) exec(sql string, args ...any) {
	s.t.Helper()
	_, err := s.pool.Exec(s.t.Context(), sql, args...)
	require.NoError(s.t, err)
}

func (s *system) audit() *audit.Report {
	s.t.Helper()
	return s.auditWithin(graceInTests)
}

func (s *system) auditWithin(grace time.Duration) *audit.Report {
	s.t.Helper()
	report, err := operate.Audit(s.t.Context(), s.queue, func(context.Context) (client.Client, error) { return s.client, nil },
		operate.AuditOptions{Grace: grace})
	require.NoError(s.t, err)
	return report
}

func TestAuditOfAHealthySystem(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	report := s.audit()
	require.Zero(t, report.Violations())
	require.True(t, report.Complete())
	checked := map[int]int64{}
	for _, f := range report.Findings {
		checked[f.Invariant] = f.Checked
		require.Empty(t, f.Offenders)
		require.Empty(t, f.Notes)
	}
	require.Equal(t, map[int]int64{audit.Place: 3, audit.Cap: 2, audit.Slot: 2, audit.Progress: 1, audit.Owner: 2}, checked)
	require.WithinDuration(t, time.Now(), report.At, time.Minute)
}

// Whatever is planted is found, under its invariant, with the item and no other.
func TestAuditFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		plant func(s *system) uuid.UUID
		found map[int]string
	}{
		"two places": {func(s *system) uuid.UUID {
			s.exec(`INSERT INTO sluice.refused_items SELECT id, workspace_id, workflow_definition_id, 'FAILED', 'x', NULL, 'x', now(), priority,
				attempt_count, created_at, available_at, expires_at, unique_key, trigger_type, enqueued_by, input FROM sluice.execution_queue`)
			return s.waiting
		}, map[int]string{audit.Place: "it waits and was refused"}},
		"a slot too many": {func(s *system) uuid.UUID {
			s.exec(`WITH item AS (DELETE FROM sluice.execution_queue RETURNING *)
				INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
					available_at, claimed_at, dispatched_at, trigger_type, enqueued_by, engine_run_id)
				SELECT id, workspace_id, workflow_definition_id, 'RUNNING', 3, 0, created_at, available_at, now(), now(), 'X', 'x', 'run' FROM item`)
			s.exec(`INSERT INTO sluice.slots (execution_id, workspace_id, epoch, cycle, dispatched) VALUES ($1, $2, 1, 1, true)`, s.waiting, s.workspace.ID)
			s.start(workflows.ExecutionID(s.waiting), s.waiting)
			return s.waiting
		}, map[int]string{audit.Cap: "as one of 3 slots of workspace "}},
		"a slot too many of all": {func(s *system) uuid.UUID {
			_, err := s.queue.Set(s.t.Context(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: ptr(1)}}, "test")
			require.NoError(s.t, err)
			s.exec(`UPDATE sluice.activity_log SET at = at - interval '1 minute'`) // or it would be a cut, which drains
			return s.running[1]
		}, map[int]string{audit.Cap: "as one of 2 slots of all workspaces together, whose limit was 1"}},
		"a slot too many of a cohort": {func(s *system) uuid.UUID {
			_, err := s.queue.SetWorkspace(s.t.Context(), s.workspace.ID, queue.WorkspaceChange{
				Cohort: &queue.Change[string]{To: ptr("eu")}, NominalQuota: &queue.Change[int]{To: ptr(1)}}, "test")
			require.NoError(s.t, err)
			s.exec(`UPDATE sluice.activity_log SET at = at - interval '1 minute'`)
			return s.running[1]
		}, map[int]string{audit.Cap: "as one of 2 slots of cohort eu, whose limit was 1"}},
		"no slot in Postgres": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.slots SET dispatched = false WHERE execution_id = $1`, s.running[0])
			return s.running[0]
		}, map[int]string{audit.Slot: "but its slot says otherwise"}},
		"a leaked slot": {func(s *system) uuid.UUID {
			require.NoError(s.t, s.client.TerminateWorkflow(s.t.Context(), workflows.ExecutionID(s.running[0]), "", "by hand"))
			return s.running[0]
		}, map[int]string{audit.Slot: "it holds a slot, but its workflow is closed"}},
		"a claim that nobody starts": {func(s *system) uuid.UUID {
			id := s.enqueue(s.idle)
			s.claim()
			return id
		}, map[int]string{audit.Slot: "it holds a slot, but its workflow is missing"}},
		"a workflow that runs on": {func(s *system) uuid.UUID {
			_, err := s.queue.RecordOutcome(s.t.Context(), queue.Outcome{ExecutionID: s.running[1], RunID: "x", Status: "COMPLETED"})
			require.NoError(s.t, err)
			s.claim() // the slot is free again
			require.NoError(s.t, s.queue.Settle(s.t.Context(), []queue.Started{{ExecutionID: s.waiting, RunID: s.start(workflows.ExecutionID(s.waiting), s.waiting).GetRunID()}}))
			return s.running[1]
		}, map[int]string{audit.Place: "its workflow is open, but it is COMPLETED", audit.Slot: "its workflow is open, but it holds no slot"}},
		"a workflow without an item": {func(s *system) uuid.UUID {
			id := uuid.New()
			s.start(workflows.ExecutionID(id), id)
			s.awaitListed(3)
			return id
		}, map[int]string{audit.Place: "its workflow is open, but it is unknown", audit.Slot: "its workflow is open, but it holds no slot"}},
		"a second workflow": {func(s *system) uuid.UUID {
			s.start("by hand", s.running[0])
			s.awaitListed(3)
			return s.running[0]
		}, map[int]string{audit.Place: "another workflow runs it: by hand"}},
		"an idle slot": {func(s *system) uuid.UUID {
			id := s.enqueue(s.idle)
			time.Sleep(graceInTests) // the item has to have waited that long, by another machine's clock
			return id
		}, map[int]string{audit.Progress: " has a free slot"}},
		"a foreign definition": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.workflow_executions SET workflow_version_id = (SELECT v.id FROM sluice.workflow_definition_versions v
				JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id WHERE d.workspace_id = $1) WHERE id = $2`, s.idle.ID, s.running[0])
			return s.running[0]
		}, map[int]string{audit.Owner: " and runs a definition of "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t)
			id := test.plant(s)
			report := s.audit()
			require.True(t, report.Complete())
			for _, f := range report.Findings {
				want, planted := test.found[f.Invariant]
				if !planted {
					require.Zero(t, f.Violations, "%s: %v", f.Name, f.Offenders)
					continue
				}
				require.EqualValues(t, 1, f.Violations, f.Name)
				require.Len(t, f.Offenders, 1)
				require.Equal(t, id, f.Offenders[0].ID)
				require.Contains(t, f.Offenders[0].What, want)
			}
		})
	}
}

// What is mended within the grace was on its way.
func TestAuditDoesNotCountWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	require.NoError(t, s.client.TerminateWorkflow(t.Context(), workflows.ExecutionID(s.running[0]), "", "by hand"))
	done := make(chan *audit.Report)
	go func() { done <- s.auditWithin(3 * time.Second) }()
	select {
	case report := <-done:
		t.Fatalf("it did not look again: %+v", report)
	case <-time.After(time.Second):
	}
	_, err := s.queue.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: s.running[0], RunID: "x", Status: "TERMINATED"})
	require.NoError(t, err)
	require.Zero(t, (<-done).Violations())
}

// A slot of all that is free whenever somebody looks may still have been taken in between.
func TestAuditOwesNothingWhileASharedLimitIsReached(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	_, err := s.queue.Set(t.Context(), queue.SettingsChange{MaxConcurrentWorkflows: &queue.Change[int]{To: ptr(3)}}, "test")
	require.NoError(t, err)
	s.enqueue(s.idle)
	time.Sleep(graceInTests)
	require.EqualValues(t, 1, s.audit().Of(audit.Progress).Violations, "one is free")
	s.exec(`INSERT INTO sluice.workflow_executions (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
			available_at, claimed_at, dispatched_at, completed_at, trigger_type, enqueued_by, engine_run_id)
		SELECT gen_random_uuid(), $1, gen_random_uuid(), 'COMPLETED', 3, 0, now(), now(), now(), now(), now() + interval '1 hour', 'X', 'x', 'run'`, s.idle.ID)
	require.Zero(t, s.audit().Violations())
}

func TestAuditOwesNothingWhileNobodyDispatches(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.enqueue(s.idle)
	time.Sleep(graceInTests)
	require.EqualValues(t, 1, s.audit().Violations())
	note := func() string {
		report := s.audit()
		require.Zero(t, report.Violations())
		require.True(t, report.Complete())
		return report.Of(audit.Progress).Notes[0]
	}
	_, err := operate.Pause(t.Context(), s.client, s.queue, workflows.PauseRequest{Actor: actor})
	require.NoError(t, err)
	require.Contains(t, note(), "paused")
	require.NoError(t, operate.Stop(t.Context(), s.client, s.queue, workflows.StopRequest{Actor: actor}, operate.StopOptions{}))
	require.Contains(t, note(), "not running")
}

func TestAuditWithoutTemporal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.workflow_executions SET engine_run_id = NULL WHERE id = $1`, s.running[0])
	for name, dial := range map[string]func(context.Context) (client.Client, error){
		"down":       func(context.Context) (client.Client, error) { return nil, errors.New("no route to host") },
		"breaks off": func(context.Context) (client.Client, error) { s.client.Close(); return s.client, nil },
	} {
		report, err := operate.Audit(t.Context(), s.queue, dial, operate.AuditOptions{})
		require.NoError(t, err, name)
		require.False(t, report.Complete())
		for _, f := range report.Findings {
			missing := f.Invariant == audit.Place || f.Invariant == audit.Slot || f.Invariant == audit.Progress
			require.Equal(t, missing, len(f.Unchecked) > 0, "%s: %s: %v", name, f.Name, f.Unchecked)
		}
		require.EqualValues(t, 1, report.Violations(), "what Postgres knows is checked all the same")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := operate.Audit(ctx, s.queue, nil, operate.AuditOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestAuditJudgesClaimsSince(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.workflow_executions SET claimed_at = now() - interval '1 hour'`)
	report := s.audit()
	require.Equal(t, []string{"2 claims are older than the record of limits"}, report.Of(audit.Cap).Notes)
	require.Zero(t, report.Of(audit.Cap).Checked)
	report, err := operate.Audit(t.Context(), s.queue, func(context.Context) (client.Client, error) { return s.client, nil },
		operate.AuditOptions{Grace: graceInTests, Since: time.Minute})
	require.NoError(t, err)
	require.Empty(t, report.Of(audit.Cap).Notes)
}
