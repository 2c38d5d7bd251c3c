package activities

import (
	"context"
	"strconv"
	"time"

	"go.temporal.io/sdk/activity"

	"sluice/internal/admission"
	"sluice/queue"
	"sluice/workflows"
)

// OpenEpoch makes the calling run the owner of its shard and returns its fencing token.
func (a *Activities) OpenEpoch(ctx context.Context, shard int, runID string) (int64, error) {
	epoch, err := a.queue.OpenEpoch(ctx, shard, runID)
	return epoch, temporalError(err)
}

// Retire notes that the calling run ends because its shard is none of those that are stored, and tells whether that is so.
func (a *Activities) Retire(ctx context.Context, shard int, runID string) (bool, error) {
	retired, err := a.queue.Retire(ctx, shard, runID)
	if retired {
		showWaiting(ctx, shard, nil) // or its last figures would stay
	}
	return retired, temporalError(err)
}

// PassCycle takes the number of a cycle: nothing is claimed in it any more.
func (a *Activities) PassCycle(ctx context.Context, shard int, epoch, cycle int64) error {
	return temporalError(a.queue.PassCycle(ctx, queue.Fence{Shard: shard, Epoch: epoch, Cycle: cycle}))
}

// showWaiting publishes how many workspaces of a shard wait, by reason.
func showWaiting(ctx context.Context, shard int, waiting map[admission.Reason]int) {
	metrics := activity.GetMetricsHandler(ctx)
	for _, reason := range admission.Reasons() {
		metrics.WithTags(map[string]string{"shard": strconv.Itoa(shard), "reason": string(reason)}).
			Gauge("sluice_workspaces_waiting").Update(float64(waiting[reason]))
	}
}

// CheckCapacity brings what is known of the usage and backlog of the shard's workspaces up to date, and lets the policy
// deal the batch to them. While nobody can be granted anything it looks on, for as long as it is told to spin.
func (a *Activities) CheckCapacity(ctx context.Context, r workflows.CapacityRequest) (workflows.CapacityReport, error) {
	until := time.Now().Add(time.Duration(r.Spin))
	memory, launcher := a.memory(r.Shard), a.launcher(r.Shard, r.Epoch) // a new run's makes the memory doubt what is claimed
	for {
		decision, err := memory.Decide(ctx, queue.Fence{Shard: r.Shard, Epoch: r.Epoch}, r.BatchSize)
		if err != nil {
			return workflows.CapacityReport{}, temporalError(err)
		}
		report := reportOn(ctx, r.Shard, decision)
		report.Carried = memory.Carried() + launcher.pending()
		if len(report.Grants) > 0 || report.Carried > 0 || report.Shards <= r.Shard || !time.Now().Before(until) {
			return report, nil
		}
		wait, due := until, time.Now().Add(decision.DueIn)
		if decision.DueIn > 0 && due.Before(until) {
			wait = due
		}
		rung, err := a.queue.Shard(r.Shard).Spin(ctx, decision.Mark, wait)
		switch {
		case err != nil:
			return report, temporalError(err)
		case rung:
			// The claim finds out whether it is so.
			if guess, ok := memory.Guess(r.BatchSize); ok && len(guess.Grants) > 0 {
				return reportOn(ctx, r.Shard, guess), nil
			}
		case wait.Equal(until):
			if decision.DueIn > 0 {
				report.DueIn = workflows.Duration(max(time.Millisecond, time.Until(due)))
			}
			return report, nil
		}
	}
}

func reportOn(ctx context.Context, shard int, decision queue.Decision) workflows.CapacityReport {
	report := workflows.CapacityReport{
		Grants: make([]workflows.Grant, len(decision.Grants)),
		Mark:   string(decision.Mark),
		DueIn:  workflows.Duration(decision.DueIn),
		Shards: decision.Shards,
	}
	for _, l := range decision.Lines {
		report.Lines = append(report.Lines, workflows.Line(l))
	}
	for i, g := range decision.Grants {
		report.Grants[i] = workflows.Grant{WorkspaceID: g.WorkspaceID, Slots: g.Slots, Limit: g.Limit}
	}
	showWaiting(ctx, shard, decision.Waiting)
	for reason, n := range decision.Waiting {
		if report.Waiting == nil {
			report.Waiting = map[string]int{}
		}
		report.Waiting[string(reason)] = n
	}
	return report
}

// ClaimExecutions takes the granted items and their slots.
func (a *Activities) ClaimExecutions(ctx context.Context, r workflows.ClaimRequest) (workflows.ClaimResult, error) {
	grants := make([]queue.Grant, len(r.Grants))
	for i, g := range r.Grants {
		grants[i] = queue.Grant{WorkspaceID: g.WorkspaceID, Slots: g.Slots, Limit: g.Limit}
	}
	lines := make([]queue.Line, len(r.Lines))
	for i, l := range r.Lines {
		lines[i] = queue.Line(l)
	}
	c, err := a.memory(r.Shard).Claim(ctx, queue.Fence{Shard: r.Shard, Epoch: r.Epoch, Cycle: r.Cycle}, grants, lines...)
	if err != nil {
		return workflows.ClaimResult{}, temporalError(err)
	}
	activity.GetMetricsHandler(ctx).Counter("sluice_executions_claimed").Inc(int64(c.New))
	c.Carried += a.launcher(r.Shard, r.Epoch).pending()
	return workflows.ClaimResult{New: c.New, Carried: c.Carried, Expired: c.Expired, Repeated: c.Repeated, Newest: c.Newest}, nil
}
