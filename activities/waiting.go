package activities

import (
	"context"
	"strconv"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"sluice/internal/dispatch"
	"sluice/internal/metric"
)

// forgetWaiting is after how long a process that has not planned for a shard removes its series of it. A process that plans for a shard
// does so every planAgain.
const forgetWaiting = 6 * planAgain

// waiting publishes how many workspaces wait, by shard, plan and reason, and for how long they have. All steps that plan show it through
// one handler, because those of activities have labels of their own, by which there would be a series for each kind of step with what that
// step saw last.
type waiting struct {
	metrics client.MetricsHandler // nil: that of the activity
	forget  time.Duration

	mu     sync.Mutex
	shown  map[int]*figures // by shard
	waited map[dispatch.Kept]time.Duration
}

// figures are what is shown of a shard.
type figures struct {
	by   map[dispatch.Kept]int
	at   time.Time
	gone *time.Timer
}

func newWaiting(metrics client.MetricsHandler, forget time.Duration) *waiting {
	return &waiting{metrics: metrics, forget: forget, shown: map[int]*figures{}, waited: map[dispatch.Kept]time.Duration{}}
}

// show publishes what has just been planned for a shard. When nothing follows, another process has the shard now, or its dispatcher is
// paused or gone: then the figures go to 0.
func (w *waiting) show(ctx context.Context, shard int, by map[dispatch.Kept]int) {
	metrics := w.metrics
	if metrics == nil {
		metrics = activity.GetMetricsHandler(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.shown[shard]
	if f == nil {
		f = &figures{at: time.Now()}
		f.gone = time.AfterFunc(w.forget, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if time.Since(f.at) >= w.forget { // otherwise something has been shown as the time was up
				f.set(metrics, shard, nil) // since when nothing waits is not known here
			}
		})
		w.shown[shard] = f
	}
	w.count(metrics, f.by, time.Since(f.at))
	f.set(metrics, shard, by)
	f.at = time.Now()
	f.gone.Reset(w.forget)
}

// count adds for how long the workspaces have waited that were shown last.
func (w *waiting) count(metrics client.MetricsHandler, by map[dispatch.Kept]int, since time.Duration) {
	for kept, n := range by {
		w.waited[kept] += time.Duration(n) * since
		if whole := w.waited[kept].Truncate(time.Second); whole > 0 { // a counter takes integers
			metric.WorkspacesWaitingSeconds.Add(metrics, int64(whole/time.Second), kept.Plan, string(kept.Reason))
			w.waited[kept] -= whole
		}
	}
}

// set shows what has changed.
func (f *figures) set(metrics client.MetricsHandler, shard int, by map[dispatch.Kept]int) {
	show := func(kept dispatch.Kept, n int) {
		metric.WorkspacesWaiting.Set(metrics, float64(n), strconv.Itoa(shard), kept.Plan, string(kept.Reason))
	}
	for kept := range f.by {
		if by[kept] == 0 {
			show(kept, 0)
		}
	}
	for kept, n := range by {
		if f.by[kept] != n {
			show(kept, n)
		}
	}
	f.by = by
}
