package operate_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/operate"
	"sluice/internal/operate/operatetest"
	"sluice/workflows"
)

const graceInTests = 300 * time.Millisecond

// system is a database and a namespace in which everything is as it should be: a workspace with two slots runs two
// executions and one item waits, another has nothing to do. The stand-in dispatcher runs and starts nothing.
type system struct {
	*database
	client    client.Client
	namespace string
	workspace uuid.UUID
	idle      uuid.UUID
	running   []uuid.UUID
	waiting   uuid.UUID
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{database: newDatabase(t)}
	s.client, s.namespace = dial(t)
	operatetest.Worker(t, s.client)
	_, err := operate.Start(t.Context(), s.client, s.namespace, s.pool, workflows.State{})
	require.NoError(t, err)
	s.workspace, s.idle = s.newWorkspace("acme", "FREE"), s.newWorkspace("idle", "FREE")
	for range 2 {
		id := s.enqueue(s.workspace)
		s.claim(id)
		s.dispatch(id, s.start(workflows.ExecutionID(id), id).GetRunID())
		s.running = append(s.running, id)
	}
	s.waiting = s.enqueue(s.workspace)
	s.awaitListed(2)
	return s
}

// enqueueLongAgo enqueues an item that has been ready for a while.
func (s *system) enqueueLongAgo(workspace uuid.UUID) uuid.UUID {
	s.t.Helper()
	id := s.enqueue(workspace)
	s.exec(`UPDATE sluice.pending SET available_at = available_at - interval '1 minute' WHERE id = $1`, id)
	return id
}

// start starts an execution workflow that waits until it is cancelled.
func (s *system) start(workflowID string, item uuid.UUID) client.WorkflowRun {
	s.t.Helper()
	run, err := s.client.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: workflowID, TaskQueue: workflows.TaskQueueDefault,
		TypedSearchAttributes: workflows.ExecutionAttributes(s.workspace, "FREE", "x", item),
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
	}, time.Minute, 20*time.Millisecond)
}

func (s *system) audit() *audit.Report {
	s.t.Helper()
	return s.auditWithin(graceInTests)
}

func (s *system) auditWithin(grace time.Duration) *audit.Report {
	s.t.Helper()
	report, err := operate.Audit(s.t.Context(), s.pool, func(context.Context) (client.Client, error) { return s.client, nil },
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
			s.exec(`INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, reason, priority, attempt_count, created_at, available_at, trigger_type, enqueued_by)
				SELECT id, workspace_id, workflow_definition_id, 'FAILED', 'x', priority, attempt_count, created_at, available_at, trigger_type, enqueued_by FROM sluice.pending`)
			return s.waiting
		}, map[int]string{audit.Place: "it is pending and has ended"}},
		"a slot too many": {func(s *system) uuid.UUID {
			s.claim(s.waiting)
			s.dispatch(s.waiting, s.start(workflows.ExecutionID(s.waiting), s.waiting).GetRunID())
			return s.waiting
		}, map[int]string{audit.Cap: "as one of 3 slots of workspace "}},
		"a slot too many of all": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 1`)
			s.exec(`UPDATE sluice.limit_changes SET at = at - interval '1 minute'`) // or it would be a cut, which drains
			return s.running[1]
		}, map[int]string{audit.Cap: "as one of 2 slots of all workspaces together, whose limit was 1"}},
		"a slot too many of a cohort": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.workspaces SET cohort = 'eu', nominal_quota = 1 WHERE id = $1`, s.workspace)
			s.exec(`UPDATE sluice.limit_changes SET at = at - interval '1 minute'`)
			return s.running[1]
		}, map[int]string{audit.Cap: "as one of 2 slots of cohort eu, whose limit was 1"}},
		"a slot without a run": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.running SET engine_run_id = NULL WHERE id = $1`, s.running[0])
			return s.running[0]
		}, map[int]string{audit.Slot: "it holds a slot and was started, but without a run id"}},
		"a leaked slot": {func(s *system) uuid.UUID {
			require.NoError(s.t, s.client.TerminateWorkflow(s.t.Context(), workflows.ExecutionID(s.running[0]), "", "by hand"))
			return s.running[0]
		}, map[int]string{audit.Slot: "it holds a slot, but its workflow is closed"}},
		"a claim that nothing starts": {func(s *system) uuid.UUID {
			id := s.enqueue(s.idle)
			s.claim(id)
			return id
		}, map[int]string{audit.Slot: "it holds a slot, but its workflow is missing"}},
		"a workflow that runs on": {func(s *system) uuid.UUID {
			s.end("COMPLETED", s.running[1])
			s.claim(s.waiting) // the slot is free again
			s.dispatch(s.waiting, s.start(workflows.ExecutionID(s.waiting), s.waiting).GetRunID())
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
			return s.enqueueLongAgo(s.idle)
		}, map[int]string{audit.Progress: " has a free slot"}},
		"a foreign definition": {func(s *system) uuid.UUID {
			s.exec(`UPDATE sluice.running SET workflow_version_id = (SELECT v.id FROM sluice.workflow_definition_versions v
				JOIN sluice.workflow_definitions d ON d.id = v.workflow_definition_id WHERE d.workspace_id = $1) WHERE id = $2`, s.idle, s.running[0])
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
	go func() { done <- s.auditWithin(10 * time.Second) }() // on a busy machine it takes its time until the end is recorded
	select {
	case report := <-done:
		t.Fatalf("it did not look again: %+v", report)
	case <-time.After(time.Second):
	}
	s.end("TERMINATED", s.running[0])
	require.Zero(t, (<-done).Violations())
}

// A slot of all that is free whenever an audit looks may still have been taken in between.
func TestAuditOwesNothingWhileASharedLimitIsReached(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.settings SET max_concurrent_workflows = 3`)
	s.enqueueLongAgo(s.idle)
	require.EqualValues(t, 1, s.audit().Of(audit.Progress).Violations, "one is free")
	s.exec(`INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority, attempt_count, created_at,
			available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by, engine_run_id)
		SELECT gen_random_uuid(), $1, gen_random_uuid(), 'COMPLETED', 3, 0, now(), now(), now(), now(), clock_timestamp(), 'X', 'x', 'run'`, s.idle)
	done := make(chan *audit.Report)
	go func() { done <- s.auditWithin(2 * time.Second) }()
	for { // it has always just ended
		select {
		case report := <-done:
			require.Zero(t, report.Violations())
			return
		case <-time.After(20 * time.Millisecond):
			s.exec(`UPDATE sluice.ended SET ended_at = now()`)
		}
	}
}

func TestAuditOwesNothingWhileNothingDispatches(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.enqueueLongAgo(s.idle)
	require.EqualValues(t, 1, s.audit().Violations())
	note := func() string {
		report := s.audit()
		require.Zero(t, report.Violations())
		require.True(t, report.Complete())
		return report.Of(audit.Progress).Notes[0]
	}
	_, err := operate.Pause(t.Context(), s.client, s.pool, workflows.PauseRequest{Actor: actor})
	require.NoError(t, err)
	require.Contains(t, note(), "paused")
	require.NoError(t, operate.Stop(t.Context(), s.client, s.pool, workflows.StopRequest{Actor: actor}, operate.StopOptions{}))
	require.Contains(t, note(), "not running")
}

func TestAuditWithoutTemporal(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.running SET engine_run_id = NULL WHERE id = $1`, s.running[0])
	for name, dial := range map[string]func(context.Context) (client.Client, error){
		"down":       func(context.Context) (client.Client, error) { return nil, errors.New("no route to host") },
		"breaks off": func(context.Context) (client.Client, error) { s.client.Close(); return s.client, nil },
	} {
		report, err := operate.Audit(t.Context(), s.pool, dial, operate.AuditOptions{})
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
	_, err := operate.Audit(ctx, s.pool, nil, operate.AuditOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestAuditJudgesClaimsSince(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.exec(`UPDATE sluice.running SET claimed_at = now() - interval '1 hour'`)
	report := s.audit()
	require.Equal(t, []string{"2 claims are older than the record of limits"}, report.Of(audit.Cap).Notes)
	require.Zero(t, report.Of(audit.Cap).Checked)
	report, err := operate.Audit(t.Context(), s.pool, func(context.Context) (client.Client, error) { return s.client, nil },
		operate.AuditOptions{Grace: graceInTests, Since: time.Minute})
	require.NoError(t, err)
	require.Empty(t, report.Of(audit.Cap).Notes)
}
