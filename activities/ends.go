package activities

import (
	"context"
	"net/http"

	"github.com/google/uuid"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"sluice/internal/recovery"
)

// The ends of workflows of a caller's own are also learnt outside of activities: by calls of the server and from what workers of this
// process say.

// ServeNamespace says which namespace the client's is, when it is known to be that of the database. Before that nothing is looked at.
func (a *Activities) ServeNamespace(namespace string) { a.namespace.Store(&namespace) }

// Hear has a workflow looked at that a worker of this process has closed. It does not wait for that.
func (a *Activities) Hear(namespace, workflowID, runID string, closed *historypb.HistoryEvent) {
	if ours := a.namespace.Load(); ours != nil && *ours == namespace {
		a.hints.Hear(recovery.Hint{WorkflowID: workflowID, RunID: runID, By: recovery.ByWorker, Closed: closed})
	}
}

// Callbacks is what CallbackURL leads to.
func (a *Activities) Callbacks() http.Handler { return a.callbacks }

func (a *Activities) lookCalled(ctx context.Context, item uuid.UUID, runID string) error {
	if a.namespace.Load() == nil {
		return nil
	}
	return a.recovery.Look(ctx, recovery.Hint{Item: item, RunID: runID, By: recovery.ByCallback})
}

func (a *Activities) namespaceOf(ctx context.Context) string {
	if activity.IsActivity(ctx) {
		return activity.GetInfo(ctx).Namespace
	}
	return *a.namespace.Load()
}

func (a *Activities) metricsOf(outside client.MetricsHandler) func(context.Context) client.MetricsHandler {
	if outside == nil {
		outside = client.MetricsNopHandler
	}
	return func(ctx context.Context) client.MetricsHandler {
		if activity.IsActivity(ctx) {
			return activity.GetMetricsHandler(ctx)
		}
		return outside
	}
}
