package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/internal/dispatch"
	"sluice/internal/metric"
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
		a.waiting.show(ctx, shard, nil) // or its last figures would stay
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
	a.waiting.show(ctx, shard, outlook.Left)
	report := reportOn(outlook)
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

func reportOn(outlook dispatch.Outlook) workflows.CapacityReport {
	report := workflows.CapacityReport{Items: outlook.Items, Unstarted: outlook.Unstarted, Shards: outlook.Shards}
	for reason, n := range outlook.Waiting {
		if report.Waiting == nil {
			report.Waiting = map[string]int{}
		}
		report.Waiting[string(reason)] = n
	}
	return report
}

// ClaimExecutions takes what CheckCapacity has planned.
func (a *Activities) ClaimExecutions(ctx context.Context, r workflows.ClaimRequest) (workflows.ClaimResult, error) {
	claimed, err := a.engines.Of(r.Shard).Claim(ctx, r.Run)
	if err != nil {
		return workflows.ClaimResult{}, temporalError(err)
	}
	metrics := activity.GetMetricsHandler(ctx)
	metric.Claimed.Add(metrics, int64(claimed.New))
	for kept, waits := range claimed.Waits {
		timer := metric.Wait.Timer(metrics, kept.Plan, string(kept.Reason))
		for _, wait := range waits {
			timer.Record(wait)
		}
	}
	return workflows.ClaimResult{
		New: claimed.New, Unstarted: claimed.Unstarted + a.launcher(r.Shard, r.Run).pending(), Expired: claimed.Expired,
	}, nil
}
