package activities

import (
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"

	"sluice/internal/admission"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/queue"
	"sluice/workflows"
)

// series keeps the latest value of each gauge with its tags.
type series struct {
	client.MetricsHandler
	mu     sync.Mutex
	values map[string]float64 // those above 0
	all    map[string]bool
	counts map[string]int64
}

func newSeries() *series {
	return &series{MetricsHandler: client.MetricsNopHandler, values: map[string]float64{}, all: map[string]bool{}, counts: map[string]int64{}}
}

func (s *series) WithTags(tags map[string]string) client.MetricsHandler { return tagged{s, tags} }

type tagged struct {
	*series
	tags map[string]string
}

func (t tagged) Gauge(name string) client.MetricsGauge {
	for _, key := range []string{"shard", "plan", "reason"} {
		name += " " + t.tags[key]
	}
	return gauge{t.series, name}
}

func (t tagged) Counter(name string) client.MetricsCounter {
	return counter{t.series, name + " " + t.tags["plan"] + " " + t.tags["reason"]}
}

type counter gauge

func (c counter) Inc(n int64) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.of.counts[c.name] += n
}

type gauge struct {
	of   *series
	name string
}

func (g gauge) Update(value float64) {
	g.of.mu.Lock()
	defer g.of.mu.Unlock()
	g.of.all[g.name] = true
	if g.of.values[g.name] = value; value == 0 {
		delete(g.of.values, g.name)
	}
}

func (s *series) waits() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

func TestAllStepsShowWhatWaitsInOneSeriesForEachShardAndReason(t *testing.T) {
	t.Parallel()
	pool, shown := database(t), newSeries()
	a := New(Config{Pool: pool, Client: &mocks.Client{}, Metrics: shown})
	var workspace, item uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), `INSERT INTO sluice.workspaces (name, plan) VALUES ('acme', 'PRO') RETURNING id`).Scan(&workspace))
	require.NoError(t, pool.QueryRow(t.Context(), `
		SELECT (sluice.enqueue_workflow($1, 'Bill', available_at => now() + interval '1 hour') ->> 'queueId')::uuid`, workspace).Scan(&item))
	turn, err := store.TakeOver(t.Context(), pool, 0, "run", 0)
	require.NoError(t, err)
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(a.CheckCapacity)
	_, err = env.ExecuteActivity(a.CheckCapacity, workflows.CapacityRequest{Run: turn, BatchSize: 10})
	require.NoError(t, err)
	require.Equal(t, map[string]float64{"sluice_workspaces_waiting 0 PRO scheduled": 1}, shown.waits())

	_, err = queue.New(pool).Cancel(t.Context(), item, "ann", "")
	require.NoError(t, err)
	returned := awaiting(t, a, turn)
	require.Eventually(t, func() bool { return len(shown.waits()) == 0 }, time.Minute, time.Millisecond)
	_, err = store.TakeOver(t.Context(), pool, 0, "run", 1)
	require.NoError(t, err)
	<-returned
	require.Len(t, shown.all, 1, "another kind of step has no series of its own")
}

func TestAProcessThatNoLongerPlansForAShardShowsThatNothingWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shown := newSeries()
		w := newWaiting(shown, time.Minute)
		for range 2 {
			w.show(t.Context(), 1, map[dispatch.Kept]int{{Plan: "PRO", Reason: admission.AtCapacity}: 3})
			time.Sleep(59 * time.Second)
			synctest.Wait()
			require.Equal(t, map[string]float64{"sluice_workspaces_waiting 1 PRO at-capacity": 3}, shown.waits())
			time.Sleep(2 * time.Second)
			synctest.Wait()
			require.Empty(t, shown.waits())
		}
	})
}

func TestTheTimeForWhichWorkspacesWaitAddsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		shown := newSeries()
		w := newWaiting(shown, time.Minute)
		full, paused := dispatch.Kept{Plan: "PRO", Reason: admission.AtCapacity}, dispatch.Kept{Plan: "FREE", Reason: admission.Paused}
		for range 4 {
			w.show(t.Context(), 0, map[dispatch.Kept]int{full: 3, paused: 1})
			time.Sleep(400 * time.Millisecond)
		}
		w.show(t.Context(), 0, nil)
		require.Equal(t, map[string]int64{"sluice_workspaces_waiting_seconds PRO at-capacity": 4, "sluice_workspaces_waiting_seconds FREE paused": 1}, shown.counts)
		w.show(t.Context(), 0, map[dispatch.Kept]int{full: 1})
		time.Sleep(2 * time.Minute)
		w.show(t.Context(), 0, nil)
		require.Equal(t, int64(4), shown.counts["sluice_workspaces_waiting_seconds PRO at-capacity"], "what happened while another may have planned is not known")
		w.show(t.Context(), 0, map[dispatch.Kept]int{full: 1})
		time.Sleep(200 * time.Millisecond)
		w.show(t.Context(), 0, nil)
		require.Equal(t, int64(5), shown.counts["sluice_workspaces_waiting_seconds PRO at-capacity"], "parts of a second are not lost")
		for _, f := range w.shown {
			f.gone.Stop()
		}
	})
}
