package activities

import (
	"context"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/internal/admission"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// TakeOver makes the calling run the owner of its shard and returns the turn with which it took it over.
func (a *Activities) TakeOver(ctx context.Context, shard int, runID string, takeover int) (int64, error) {
	if err := a.paired(ctx); err != nil {
		return 0, temporalError(err)
	}
	run, err := store.TakeOver(ctx, a.pool, shard, runID, takeover)
	return run, temporalError(err)
}

// Retire notes that the calling run ends because its shard is none of those that are stored, and tells whether that is so.
func (a *Activities) Retire(ctx context.Context, shard int, runID string) (bool, error) {
	retired, err := catalog.Retire(ctx, a.pool, shard, runID)
	if retired {
		showWaiting(ctx, shard, nil) // or its last figures would stay
	}
	return retired, temporalError(err)
}

// CheckCapacity plans who may start what. While nothing can be started it looks on, for as long as it is told to spin.
func (a *Activities) CheckCapacity(ctx context.Context, r workflows.CapacityRequest) (workflows.CapacityReport, error) {
	until := time.Now().Add(time.Duration(r.Spin))
	for {
		report, dueIn, err := a.plan(ctx, r.Shard, r.Run, r.BatchSize)
		if err != nil || report.Items > 0 || report.Unstarted > 0 || report.Shards <= r.Shard || !time.Now().Before(until) {
			return report, temporalError(err)
		}
		if _, err := a.engines.Of(r.Shard).Watch(ctx, earlier(until, dueIn)); err != nil {
			return report, temporalError(err)
		}
	}
}

// plan plans a batch, and tells how long it is until there may be more to start although nothing happens; zero: for ever.
func (a *Activities) plan(ctx context.Context, shard int, run int64, batch int) (workflows.CapacityReport, time.Duration, error) {
	launcher := a.launcher(shard, run)
	outlook, err := a.engines.Of(shard).Plan(ctx, run, batch)
	if err != nil {
		return workflows.CapacityReport{}, 0, err
	}
	report := reportOn(ctx, shard, outlook)
	report.Unstarted += launcher.pending()
	return report, outlook.DueIn, nil
}

// earlier is a time, or the one in so long if that comes first; zero means never.
func earlier(until time.Time, in time.Duration) time.Time {
	if at := time.Now().Add(in); in > 0 && at.Before(until) {
		return at
	}
	return until
}

func reportOn(ctx context.Context, shard int, outlook dispatch.Outlook) workflows.CapacityReport {
	report := workflows.CapacityReport{Items: outlook.Items, Unstarted: outlook.Unstarted, Shards: outlook.Shards}
	showWaiting(ctx, shard, outlook.Waiting)
	for reason, n := range outlook.Waiting {
		if report.Waiting == nil {
			report.Waiting = map[string]int{}
		}
		report.Waiting[string(reason)] = n
	}
	return report
}

// showWaiting publishes how many workspaces of a shard wait, by reason.
func showWaiting(ctx context.Context, shard int, waiting map[admission.Reason]int) {
	metrics := activity.GetMetricsHandler(ctx)
	for _, reason := range admission.Reasons() {
		metrics.WithTags(map[string]string{"shard": strconv.Itoa(shard), "reason": string(reason)}).
			Gauge("sluice_workspaces_waiting").Update(float64(waiting[reason]))
	}
}

// ClaimExecutions takes what CheckCapacity has planned.
func (a *Activities) ClaimExecutions(ctx context.Context, r workflows.ClaimRequest) (workflows.ClaimResult, error) {
	claimed, err := a.engines.Of(r.Shard).Claim(ctx, r.Run)
	if err != nil {
		return workflows.ClaimResult{}, temporalError(err)
	}
	activity.GetMetricsHandler(ctx).Counter("sluice_executions_claimed").Inc(int64(claimed.New))
	return workflows.ClaimResult{
		New: claimed.New, Unstarted: claimed.Unstarted + a.launcher(r.Shard, r.Run).pending(), Expired: claimed.Expired,
	}, nil
}
