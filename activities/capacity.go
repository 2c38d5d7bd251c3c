package activities

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
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

// CheckCapacity reads the usage of all workspaces with a backlog and deals the batch to them.
func (a *Activities) CheckCapacity(ctx context.Context, r workflows.CapacityRequest) (workflows.CapacityReport, error) {
	capacity, err := a.queue.Capacity(ctx, r.BatchSize)
	if err != nil {
		return workflows.CapacityReport{}, temporalError(err)
	}
	decision := admission.Decide(admission.Input{
		Now: capacity.Now, Batch: r.BatchSize, Global: admission.Pool{Limit: admission.Unlimited}, Workspaces: policyView(capacity.Workspaces, r.After),
	})
	report := workflows.CapacityReport{
		Grants: make([]workflows.Grant, len(decision.Grants)),
		After:  r.After,
		Mark:   string(capacity.Mark),
		DueIn:  workflows.Duration(dueIn(capacity)),
	}
	for i, g := range decision.Grants {
		report.After = g.ID
		report.Grants[i] = workflows.Grant{WorkspaceID: g.ID, Slots: g.Slots, Limit: g.Limit}
	}
	metrics := activity.GetMetricsHandler(ctx)
	for _, reason := range admission.Reasons() {
		n := decision.Waiting[reason]
		metrics.WithTags(map[string]string{"reason": string(reason)}).Gauge("sluice_workspaces_waiting").Update(float64(n))
		if n > 0 {
			if report.Waiting == nil {
				report.Waiting = map[string]int{}
			}
			report.Waiting[string(reason)] = n
		}
	}
	return report, nil
}

// ClaimExecutions takes the granted items and their slots.
func (a *Activities) ClaimExecutions(ctx context.Context, r workflows.ClaimRequest) (workflows.ClaimResult, error) {
	grants := make([]queue.Grant, len(r.Grants))
	for i, g := range r.Grants {
		grants[i] = queue.Grant{WorkspaceID: g.WorkspaceID, Slots: g.Slots, Limit: g.Limit}
	}
	c, err := a.queue.Claim(ctx, queue.Fence{Shard: r.Shard, Epoch: r.Epoch, Cycle: r.Cycle}, grants)
	if err != nil {
		return workflows.ClaimResult{}, temporalError(err)
	}
	activity.GetMetricsHandler(ctx).Counter("sluice_executions_claimed").Inc(int64(c.New))
	return workflows.ClaimResult{New: c.New, Carried: c.Carried, Expired: c.Expired, Repeated: c.Repeated, Newest: c.Newest}, nil
}

// policyView places those up to the one that was served last a start behind the others: round robin.
func policyView(capacities []queue.WorkspaceCapacity, after uuid.UUID) []admission.Workspace {
	view := make([]admission.Workspace, len(capacities))
	for i, c := range capacities {
		view[i] = admission.Workspace{
			ID: c.WorkspaceID, Cohort: admission.NoCohort, Weight: 1, Used: c.Used, Ready: c.Ready,
			Quota: admission.Quota{Ceiling: c.Limit, Nominal: c.Limit, BorrowingLimit: admission.Unlimited},
		}
		if bytes.Compare(c.WorkspaceID[:], after[:]) <= 0 {
			view[i].Tags[admission.Own] = admission.Stride
		}
	}
	return view
}

// dueIn is how long until a workspace with a free slot gets its next item; zero when none is scheduled.
func dueIn(c queue.Capacity) time.Duration {
	var soonest time.Duration
	for _, w := range c.Workspaces {
		if w.NextDue == nil || w.Used >= w.Limit {
			continue
		}
		if wait := max(w.NextDue.Sub(c.Now), time.Millisecond); soonest == 0 || wait < soonest {
			soonest = wait
		}
	}
	return soonest
}
