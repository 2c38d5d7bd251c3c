package recovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/internal/store"
	"sluice/workflows"
)

const (
	running   = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	completed = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	failed    = enumspb.WORKFLOW_EXECUTION_STATUS_FAILED
)

func TestAClosedWorkflowEndsItsExecution(t *testing.T) {
	t.Parallel()
	for status, want := range outcomeStatus {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.run(t, 1)[0]
			w := workflow{runID: firstRun(id), status: status, err: errors.New("why")}
			if status == completed {
				w.err, w.output = nil, `{"sum": 3}`
			}
			b.has(id, w)
			require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
			require.Equal(t, want, b.status(t, id))
			if status == completed {
				require.JSONEq(t, `{"sum": 3}`, one[string](t, b.db, `SELECT output::text FROM sluice.ended`))
			} else {
				message := map[string]string{"FAILED": "why", "CANCELLED": "canceled", "TERMINATED": "terminated: why", "TIMED_OUT": "it has passed its timeout"}[want]
				require.JSONEq(t, `{"message": "`+message+`"}`, one[string](t, b.db, `SELECT error::text FROM sluice.ended`))
			}
			require.Empty(t, b.held(t))
			require.Equal(t, []uuid.UUID{id}, b.freedIDs())
			require.Equal(t, []string{"no-outcome"}, list[string](t, b.db, `SELECT reason FROM sluice.activity_log WHERE action = 'recovered' AND queue_id = $1`, id))
			require.EqualValues(t, 1, b.repairs["no-outcome"])
			require.Equal(t, Report{}, b.pass(t), "it is on record")
		})
	}
}

// What has just closed is found by the lists, long before its slot has its turn.
func TestAClosedWorkflowIsFoundByTheLists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.run(t, 1)[0]
	b.exec(t, `UPDATE sluice.running SET checked_at = now() + interval '1 hour'`)
	b.has(id, workflow{runID: firstRun(id), status: completed, output: `{}`})
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
}

func TestAMissingWorkflowEndsTerminated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.run(t, 1)[0]
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, workflows.StatusTerminated, b.status(t, id))
	require.Contains(t, one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.ended`), "missing in Temporal")
}

func TestAnOpenWorkflowKeepsItsSlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 2)
	for _, id := range ids {
		b.has(id, workflow{runID: firstRun(id), status: running})
	}
	require.Equal(t, Report{Checked: 2}, b.pass(t))
	require.ElementsMatch(t, ids, b.held(t))
	require.Equal(t, Report{}, b.pass(t), "they have just been compared")
}

func TestAResetWorkflowHoldsItsSlotAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.end(t, 1, "FAILED")[0]
	b.has(id, workflow{runID: secondRun(id), status: running})
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, "RUNNING", b.status(t, id))
	require.Equal(t, []uuid.UUID{id}, b.held(t))
	require.EqualValues(t, 1, b.repairs["reopened"])
	require.Equal(t, Report{}, b.pass(t))
}

// Many are reset at once. Temporal answers two questions at once, and none alone; and of one workflow it does not answer again.
func TestManyResetsAreTakenUpBesideOneAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.end(t, 2*compareParallel+1, "FAILED")
	for _, id := range ids {
		b.has(id, workflow{runID: secondRun(id), status: running})
	}
	var asked sync.Map
	two := make(chan struct{})
	b.temporal.describe = func(ctx context.Context, id string) error {
		if _, again := asked.LoadOrStore(id, true); !again {
			return nil
		}
		if id == workflows.ExecutionID(ids[0]) {
			return serviceerror.NewUnavailable("not this one")
		}
		select {
		case two <- struct{}{}:
		case <-two:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorContains(t, err, "not this one")
	require.ElementsMatch(t, ids[1:], b.held(t), "it holds up no other")
	b.temporal.describe = func(context.Context, string) error { return nil }
	require.EqualValues(t, 1, b.pass(t).Repaired, "the next pass looks at it again")
	require.ElementsMatch(t, ids, b.held(t))
}

// Temporal's lists may be minutes behind, so that no pass saw the run when it was new.
func TestAWorkflowThatWasResetLongAgoHoldsItsSlotAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 10 { // a page
		b.temporal.show(workflows.ExecutionID(uuid.New()), "run", time.Now().Add(-time.Hour), true)
	}
	id := b.end(t, 1, "FAILED")[0]
	b.has(id, workflow{runID: secondRun(id), status: running})
	b.temporal.listed[10].StartTime = timestamppb.New(time.Now().Add(-2 * time.Hour))
	require.Equal(t, Report{}, b.pass(t))
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, []uuid.UUID{id}, b.held(t))
}

// One that has ended and was reset holds no slot, so only a list shows it.
func TestWhatALongListLeavesOutIsReadByTheNextPasses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	began := time.Now().Truncate(time.Millisecond)
	id := b.end(t, 1, "FAILED")[0]
	b.has(id, workflow{runID: secondRun(id), status: running})
	for range 10*listPages + 1 {
		b.temporal.show(workflows.ExecutionID(uuid.New()), "run", time.Now().Add(time.Second), true)
	}
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrUnfinished)
	require.Empty(t, b.held(t))
	require.True(t, b.lookedUntil(t).Before(began))
	for first := time.Now(); errors.Is(err, ErrUnfinished); {
		_, err = b.Pass(t.Context(), &Known{}) // of another round
		require.True(t, b.lookedUntil(t).Before(first), "what changes while the list is read may not be in it")
	}
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{id}, b.held(t))
	require.False(t, b.lookedUntil(t).Before(began))
}

// What a pass has read and not compared is read again, not what comes after it.
func TestAListIsReadOnFromWhatIsCompared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 10 * listPages {
		b.temporal.show(workflows.ExecutionID(uuid.New()), "run", time.Now(), true)
	}
	id := b.end(t, 1, "FAILED")[0]
	b.has(id, workflow{runID: secondRun(id), status: running}) // the newest: on the first page
	unavailable := serviceerror.NewUnavailable("no history")
	b.temporal.describe = func(context.Context, string) error { return unavailable }
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, unavailable)
	b.temporal.describe = func(context.Context, string) error { return nil }
	for err = ErrUnfinished; errors.Is(err, ErrUnfinished); {
		_, err = b.Pass(t.Context(), &b.known)
	}
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{id}, b.held(t))
}

// A server that is another by now may not take the place to go on from.
func TestAListThatCannotBeReadOnIsReadAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 10*listPages + 1 {
		b.temporal.show(workflows.ExecutionID(uuid.New()), "run", time.Now(), true)
	}
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrUnfinished)
	unavailable := serviceerror.NewUnavailable("no visibility")
	b.temporal.lists = func(context.Context) error { return unavailable }
	for _, rest := range []bool{true, false} {
		_, err = b.Pass(t.Context(), &b.known)
		require.ErrorIs(t, err, ErrLists)
		require.Equal(t, rest, b.readSoFar().rest())
	}
}

// The store of Temporal's lists was replaced, and does not take the place at which the next pass would go on.
func TestAPageOfOpenRunsThatTemporalDoesNotTakeIsReadNoMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 11 { // a page, and one
		b.temporal.show(workflows.ExecutionID(uuid.New()), "run", time.Now().Add(-time.Hour), true)
	}
	b.pass(t)
	b.temporal.listed = b.temporal.listed[:1]
	id := b.run(t, 1)[0]
	b.has(id, workflow{runID: firstRun(id), status: completed})
	for range 2 {
		_, err := b.Pass(t.Context(), &b.known)
		require.ErrorIs(t, err, ErrLists)
	}
	b.pass(t)
	require.Equal(t, "COMPLETED", b.status(t, id))
}

// A run of a chain is found open, then the last one closes and its end is recorded, and only then Postgres is asked who holds a slot.
func TestAChainThatHasEndedMeanwhileHoldsNoSlotAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.end(t, 1, "COMPLETED")[0]
	w := b.has(id, workflow{runID: "an earlier run", status: running})
	asked := 0
	b.temporal.describe = func(context.Context, string) error {
		if asked++; asked == 2 {
			b.temporal.mu.Lock()
			defer b.temporal.mu.Unlock()
			w.runID, w.status, w.output = firstRun(id), completed, `{}`
		}
		return nil
	}
	require.Equal(t, Report{Checked: 1}, b.pass(t))
	require.Equal(t, 2, asked)
	require.Empty(t, b.held(t))
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
}

// A reset run that has ended before recovery saw it open: its outcome counts, not that of the run before.
func TestTheLastRunsOutcomeCounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.end(t, 1, "FAILED")[0]
	b.has(id, workflow{runID: secondRun(id), status: completed, output: `{}`})
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
	require.Equal(t, secondRun(id), one[string](t, b.db, `SELECT engine_run_id FROM sluice.ended`))
	require.Empty(t, b.freedIDs(), "its slot was free")
	require.Equal(t, Report{}, b.pass(t))
}

func TestAWorkflowThatStartedLateHoldsASlot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, 1)[0]
	b.has(id, workflow{runID: firstRun(id), status: running})
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.Equal(t, "RUNNING", b.status(t, id))
	require.Equal(t, []uuid.UUID{id}, b.held(t))
}

func TestAWorkflowWhoseItemHasEndedWithoutAnExecutionIsTerminated(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue(t, 1)[0]
	_, err := store.EndPending(t.Context(), b.db, []uuid.UUID{id}, store.Refusal{Status: "CANCELLED", Reason: "cancelled", Actor: "ann"})
	require.NoError(t, err)
	w := b.has(id, workflow{runID: firstRun(id), status: running})
	require.Equal(t, Report{Checked: 1}, b.pass(t))
	require.Equal(t, firstRun(id), w.terminated)
	require.Equal(t, "CANCELLED", b.status(t, id))
	require.EqualValues(t, 1, b.repairs["refused-but-open"])
}

func TestWorkflowsOfOthersAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.end(t, 1, "COMPLETED")[0]
	foreign := b.has(id, workflow{runID: "another's", status: running, child: true})
	unknown := uuid.New()
	b.has(unknown, workflow{runID: "run", status: completed, output: `{}`})
	other := b.has(uuid.New(), workflow{runID: "run", status: running})
	b.pass(t)
	require.Empty(t, b.held(t))
	require.Equal(t, workflows.StatusCompleted, b.status(t, id))
	require.Empty(t, foreign.terminated+other.terminated)
	require.Empty(t, b.repairs)
}

func TestAnExecutionThatNoWorkerServesIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 3)
	task := func(state enumspb.PendingWorkflowTaskState, waits time.Duration) *workflowpb.PendingWorkflowTaskInfo {
		return &workflowpb.PendingWorkflowTaskInfo{State: state, ScheduledTime: timestamppb.New(time.Now().Add(-waits))}
	}
	starved := b.has(ids[0], workflow{runID: firstRun(ids[0]), status: running, task: task(enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, time.Minute)})
	b.has(ids[1], workflow{runID: firstRun(ids[1]), status: running, task: task(enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED, time.Second)})
	b.has(ids[2], workflow{runID: firstRun(ids[2]), status: running, task: task(enumspb.PENDING_WORKFLOW_TASK_STATE_STARTED, time.Minute)})
	b.pass(t)
	require.Equal(t, ids[:1], list[uuid.UUID](t, b.db, `SELECT id FROM sluice.running WHERE unserved_since < now() - interval '50 seconds'`))
	require.Equal(t, ids[:1], list[uuid.UUID](t, b.db, `SELECT id FROM sluice.running WHERE unserved_since IS NOT NULL`))
	require.Contains(t, b.log(t), fmt.Sprintf("execution=%s reason=unserved for=1m", ids[0]))
	again := func() {
		b.exec(t, `UPDATE sluice.running SET checked_at = now() - interval '1 minute'`)
		b.pass(t)
	}
	again()
	require.EqualValues(t, 1, b.gauges["sluice_executions_unserved"])
	starved.task = nil
	b.has(ids[0], *starved)
	again()
	again()
	require.Zero(t, b.gauges["sluice_executions_unserved"])
	require.Zero(t, one[int](t, b.db, `SELECT count(unserved_since) FROM sluice.running`))
}

// Many slots are due, and Temporal shows fewer open executions: it does not know some of them any more.
func TestMoreSlotsHaveTheirTurnWhenExecutionsAreMissing(t *testing.T) {
	t.Parallel()
	for open, want := range map[int64]int64{turnBatch + 50: turnBatch, turnBatch + 49: turnBatch + 50} {
		t.Run(fmt.Sprint(open), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.run(t, turnBatch+50)
			b.temporal.open = open
			require.Equal(t, want, b.pass(t).Repaired)
		})
	}
}

// Temporal may list nothing for hours: its store for that is another than that of the workflows.
func TestWithoutListsSlotsAreComparedInTurn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, turnBatch+50)
	unavailable := serviceerror.NewUnavailable("no visibility")
	b.temporal.lists = func(context.Context) error { return unavailable }
	report, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrLists)
	require.ErrorIs(t, err, unavailable)
	require.Equal(t, Report{Checked: int64(len(ids)), Repaired: int64(len(ids))}, report, "nothing else would find what is missing")
	require.Zero(t, b.lookedUntil(t), "what the lists would have shown is looked at when they answer")
	_, err = b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, ErrLists)
	b.temporal.lists = func(context.Context) error { return nil }
	b.pass(t)
	require.NotZero(t, b.lookedUntil(t))
	require.Regexp(t, `(?s)^[^W]*WARN msg="Temporal does not list.*INFO msg="Temporal lists executions again"\n$`, withoutRepairs(b.log(t)))
}

// withoutRepairs leaves out of a log the lines of single executions.
func withoutRepairs(log string) (rest string) {
	for line := range strings.Lines(log) {
		if !strings.Contains(line, "repaired an execution") {
			rest += line
		}
	}
	return rest
}

// A list that hangs does not keep slots waiting that have their turn.
func TestAListThatHangsKeepsNoSlotWaiting(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.run(t, 1)
	b.temporal.lists = func(ctx context.Context) error {
		for len(b.freedIDs()) == 0 { // answers only once the slot is free
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		return nil
	}
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
}

func TestAPassThatCouldNotCompareAllLooksAtTheSameAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.run(t, 20)
	for _, id := range ids {
		b.has(id, workflow{runID: firstRun(id), status: failed, err: errors.New("why")})
	}
	unavailable := serviceerror.NewUnavailable("no history")
	b.temporal.describe = func(_ context.Context, workflowID string) error {
		if workflowID == workflows.ExecutionID(ids[7]) {
			return unavailable
		}
		return nil
	}
	report, err := b.Pass(t.Context(), &b.known)
	require.ErrorIs(t, err, unavailable)
	require.NotErrorIs(t, err, ErrLists)
	require.EqualValues(t, 19, report.Repaired, "the others are mended")
	require.Equal(t, ids[7:8], b.held(t))
	require.Zero(t, b.lookedUntil(t))
	b.temporal.describe = func(context.Context, string) error { return nil }
	require.Equal(t, Report{Checked: 1, Repaired: 1}, b.pass(t))
	require.NotZero(t, b.lookedUntil(t))
}

// The end of a closed workflow could not be read: that says nothing about how it ended.
func TestAnEndThatCouldNotBeReadIsNotRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.run(t, 1)[0]
	b.has(id, workflow{runID: firstRun(id), status: completed, err: serviceerror.NewUnavailable("no history")})
	_, err := b.Pass(t.Context(), &b.known)
	require.ErrorContains(t, err, "read the history of execution-"+id.String())
	require.Equal(t, []uuid.UUID{id}, b.held(t))
}

// A pass that another worker has taken over may still be under way.
func TestTwoPassesAtOnceMendEachExecutionOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	closed, missing, reset := b.run(t, 20), b.run(t, 20), b.end(t, 20, "FAILED")
	for i := range closed {
		b.has(closed[i], workflow{runID: firstRun(closed[i]), status: completed, output: `{}`})
		b.has(reset[i], workflow{runID: secondRun(reset[i]), status: running})
	}
	var reports [2]Report
	var passes errgroup.Group
	for i := range reports {
		passes.Go(func() (err error) {
			reports[i], err = b.Pass(t.Context(), &Known{})
			return err
		})
	}
	require.NoError(t, passes.Wait())
	require.EqualValues(t, 60, reports[0].Repaired+reports[1].Repaired)
	require.ElementsMatch(t, append(closed, missing...), b.freedIDs())
	require.ElementsMatch(t, reset, b.held(t))
	require.Equal(t, 20, one[int](t, b.db, `SELECT count(*) FROM sluice.activity_log WHERE action = 'reopened'`))
	require.Equal(t, 40, one[int](t, b.db, `SELECT count(*) FROM sluice.ended WHERE status IN ('COMPLETED', 'TERMINATED')`))
}

// What compensates may take minutes, and is half done when it is terminated.
func TestAWorkflowOfOnesOwnHasTheTimeThatItNeedsToCancel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const own = true
	reset := &workflowpb.WorkflowExecutionExtendedInfo{LastResetTime: timestamppb.Now()}
	unhandled := enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
	tests := map[string]struct {
		own bool
		workflow
		ends bool
	}{
		"it is carried on":                        {own: own},
		"its task waits, but not for long":        {own: own, workflow: workflow{task: untakenFor(workflows.CancelDeadline / 2)}},
		"nobody takes its task":                   {own: own, workflow: workflow{task: untakenFor(time.Minute)}, ends: true},
		"its task fails":                          {own: own, workflow: workflow{task: failing(7), newest: failedTask(time.Minute, unhandled, unknownType)}, ends: true},
		"nobody takes its child's task":           {own: own},
		"a definition":                            {ends: true},
		"a definition, asked again after a reset": {workflow: workflow{extended: &workflowpb.WorkflowExecutionExtendedInfo{LastResetTime: timestamppb.Now(), CancelRequested: true}}, ends: true},
		"a definition that was reset":             {workflow: workflow{extended: reset}},
		"nobody takes its task, but it was reset": {own: own, workflow: workflow{extended: reset, task: untakenFor(time.Minute)}},
	}
	ids := map[string]uuid.UUID{}
	for name, test := range tests {
		id := b.run(t, 1)[0]
		if ids[name] = id; test.own {
			b.own(t, id, "")
		}
		test.runID, test.status = firstRun(id), running
		w := b.has(id, test.workflow)
		if name == "nobody takes its child's task" {
			b.hasChild(w, "child", 5, workflow{taskQueue: "nobody", task: untakenFor(time.Minute)})
		}
	}
	b.exec(t, `UPDATE sluice.running SET cancel_asked_at = now() - interval '1 minute'`)
	check := func() {
		t.Helper()
		for name, test := range tests {
			require.Equal(t, map[bool]string{true: "TERMINATED", false: "RUNNING"}[test.ends], b.status(t, ids[name]), name)
		}
	}
	b.pass(t) // sees what is not carried on
	b.later(t)
	check()
	require.Equal(t, "terminated by recovery: it was asked to cancel, and had not ended 45s later: no worker takes its workflow task",
		one[string](t, b.db, `SELECT error ->> 'message' FROM sluice.executions WHERE id = $1`, ids["nobody takes its task"]))
	b.exec(t, `UPDATE sluice.running SET unserved_since = now() - interval '1 minute'`) // what an earlier pass has seen
	b.later(t)
	check()
}
