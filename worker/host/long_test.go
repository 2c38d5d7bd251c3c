package host_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/worker/host"
	"sluice/workflows"
)

// tasks are activities that take long, in the ways in which activities do.
type tasks struct {
	takes        time.Duration
	over         atomic.Bool // they have taken long enough
	begun, ended atomic.Int64
	cut          atomic.Int64
}

// last tells whether one that began then still takes its time.
func (a *tasks) last(began time.Time) bool { return time.Since(began) < a.takes && !a.over.Load() }

// Quiet takes its time and tells nobody.
func (a *tasks) Quiet(context.Context) error {
	a.begun.Add(1)
	for began := time.Now(); a.last(began); {
		time.Sleep(min(a.takes, 50*time.Millisecond))
	}
	a.ended.Add(1)
	return nil
}

// Telling sends heartbeats.
func (a *tasks) Telling(ctx context.Context) error {
	a.begun.Add(1)
	for began := time.Now(); a.last(began); time.Sleep(50 * time.Millisecond) {
		activity.RecordHeartbeat(ctx, time.Since(began))
		if ctx.Err() != nil {
			a.cut.Add(1)
			return ctx.Err()
		}
	}
	a.ended.Add(1)
	return nil
}

// Obliging gives up when its worker stops, as Temporal advises.
func (a *tasks) Obliging(ctx context.Context) error {
	a.begun.Add(1)
	select {
	case <-time.After(a.takes):
		a.ended.Add(1)
		return nil
	case <-activity.GetWorkerStopChannel(ctx):
		a.cut.Add(1)
		return errors.New("the worker stops")
	}
}

// perform runs one activity, as a normal or as a local one, and another short one after it.
func perform(ctx workflow.Context, what string, local bool) error {
	retry := &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: 100 * time.Millisecond}
	if local {
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: retry})
		return workflow.ExecuteLocalActivity(ctx, what).Get(ctx, nil)
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, HeartbeatTimeout: 0, RetryPolicy: retry})
	return workflow.ExecuteActivity(ctx, what).Get(ctx, nil)
}

func withTasks(a *tasks, change func(*host.Config)) func(*host.Config) {
	return func(c *host.Config) {
		c.PollBudget = 12 + 3 // one place
		c.RegisterWorkflows = func(r worker.WorkflowRegistry) {
			r.RegisterWorkflowWithOptions(perform, workflow.RegisterOptions{Name: "Perform"})
		}
		c.RegisterActivities = func(r worker.ActivityRegistry) { r.RegisterActivity(a) }
		if change != nil {
			change(c)
		}
	}
}

func (b *bench) perform(t *testing.T, workspace uuid.UUID, what string, local bool) client.WorkflowRun {
	t.Helper()
	run, err := b.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: fmt.Sprintf("perform-%s", uuid.New()), TaskQueue: workflows.WorkspaceTaskQueue(workspace),
		WorkflowTaskTimeout: time.Minute, // a local activity begins again when its task times out, as on a busy machine after ten seconds
	}, "Perform", what, local)
	require.NoError(t, err)
	return run
}

// Each takes several turns, of a place that others wait for all the time.
func TestWhatIsInHandAtTheEndOfATurnIsFinished(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		local bool
	}{{"Quiet", false}, {"Telling", false}, {"Obliging", false}, {"Quiet", true}, {"Obliging", true}} {
		t.Run(fmt.Sprintf("%s, local %t", c.what, c.local), func(t *testing.T) {
			t.Parallel()
			a := &tasks{takes: 7 * time.Second}
			b := newBench(t, withTasks(a, nil))
			const workspaces = 3
			var running sync.WaitGroup
			for range workspaces {
				id := uuid.New()
				b.occupy(t, id)
				run := b.perform(t, id, c.what, c.local)
				running.Go(func() { assert.NoError(t, run.Get(t.Context(), nil)) })
			}
			running.Wait()
			require.EqualValues(t, workspaces, a.begun.Load(), "none begins again")
			require.EqualValues(t, workspaces, a.ended.Load())
			require.Zero(t, a.cut.Load())
			require.Equal(t, 1, b.host.Stats().Limit)
		})
	}
}

// A place is not held by what is in hand: others have their turns meanwhile.
func TestOthersHaveTheirTurnsWhileAnActivityRuns(t *testing.T) {
	t.Parallel()
	a := &tasks{takes: 55 * time.Second}
	b := newBench(t, withTasks(a, nil))
	t.Cleanup(func() { a.over.Store(true) })
	long, short := uuid.New(), uuid.New()
	b.occupy(t, long)
	run := b.perform(t, long, "Quiet", false)
	require.Eventually(t, func() bool { return a.begun.Load() == 1 }, patience, 10*time.Millisecond)
	b.occupy(t, short)
	b.perform(t, short, "Telling", false)
	require.Eventually(t, func() bool { return a.begun.Load() == 2 }, 45*time.Second, 10*time.Millisecond)
	require.Zero(t, a.ended.Load(), "the long one still runs")
	a.over.Store(true)
	require.NoError(t, run.Get(t.Context(), nil))
	require.EqualValues(t, 2, a.begun.Load())
}

func TestActivitiesAreFinishedWhenTheProcessEnds(t *testing.T) {
	t.Parallel()
	a := &tasks{takes: 2 * time.Second}
	b := newServers(t)
	_, stop := b.runUntil(t, withTasks(a, func(c *host.Config) { c.PollBudget = 100 }))
	var runs []client.WorkflowRun
	for range 20 { // more than are stopped at once otherwise
		id := uuid.New()
		b.occupy(t, id)
		runs = append(runs, b.perform(t, id, "Quiet", false))
	}
	require.Eventually(t, func() bool { return a.begun.Load() == 20 }, patience, 10*time.Millisecond)
	require.NoError(t, stop())
	require.EqualValues(t, 20, a.ended.Load())
	require.EqualValues(t, 20, a.begun.Load())
	b.run(t, withTasks(a, func(c *host.Config) { c.PollBudget = 100 }))
	for _, run := range runs {
		require.NoError(t, run.Get(t.Context(), nil))
	}
	require.EqualValues(t, 20, a.begun.Load())
}

func TestWhatTakesLongerThanTheShutdownTimeoutIsCutOffAndBeginsAgain(t *testing.T) {
	t.Parallel()
	a := &tasks{takes: 50 * time.Second}
	b := newServers(t)
	_, stop := b.runUntil(t, withTasks(a, func(c *host.Config) { c.ShutdownTimeout = 12 * time.Second })) // and 3 s for what is cut off
	told := uuid.New()
	b.occupy(t, told)
	run := b.perform(t, told, "Telling", false)
	require.Eventually(t, func() bool { return a.begun.Load() == 1 }, patience, 10*time.Millisecond)
	began := time.Now()
	b.free(t, told)
	require.NoError(t, stop())
	require.Less(t, time.Since(began), 40*time.Second, "the activity takes 50")
	require.EqualValues(t, 1, a.cut.Load(), "its context says so")
	again := &tasks{takes: time.Millisecond}
	b.occupy(t, told)
	b.run(t, withTasks(again, nil))
	require.NoError(t, run.Get(t.Context(), nil))
	require.EqualValues(t, 1, again.ended.Load(), "at once, and not only when its timeout has passed")
}
