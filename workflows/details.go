package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
)

// showDetails puts the state on the workflow's page in the Web UI, as markdown.
func (d *dispatcher) showDetails(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, d.details())
}

func (d *dispatcher) details() string {
	var b strings.Builder
	row := func(name string, value any) { fmt.Fprintf(&b, "| %s | %v |\n", name, value) }
	fmt.Fprintf(&b, "### Dispatcher: %s\n\n| | |\n|---|---|\n", d.status().Phase)
	if d.Shard > 0 || d.shards > 1 {
		row("shard", fmt.Sprintf("%d, the first is 0; there are %d", d.Shard, d.shards))
	}
	if d.Pause != nil {
		row("paused", strings.TrimSuffix(fmt.Sprintf("by %s since %s: %s", d.Pause.Actor, d.Pause.Since.UTC().Format(time.DateTime), d.Pause.Reason), ": "))
	}
	row("cycle", d.Cycle)
	row("run since turn", d.run)
	row("started", d.Totals.Started)
	row("requeued / failed / expired", fmt.Sprintf("%d / %d / %d", d.Totals.Requeued, d.Totals.Failed, d.Totals.Expired))
	for _, reason := range workflow.DeterministicKeys(d.Waiting) {
		row("workspaces waiting: "+reason, d.Waiting[reason])
	}
	if d.LastWork != nil {
		row("last start", d.LastWork.UTC().Format(time.DateTime))
	}
	if d.LastErrorAt != nil {
		row("last error", fmt.Sprintf("%s: `%s`", d.LastErrorAt.UTC().Format(time.DateTime), d.LastError))
	}
	t := d.Tunables
	row("batch size / parallelism", fmt.Sprintf("%d / %d", t.BatchSize, t.Parallelism))
	if d.Batch > 0 {
		row("batch size at present", fmt.Sprintf("%d: Temporal did not take more", d.Batch))
	}
	row("spin / poll interval", fmt.Sprintf("%s / %s", time.Duration(t.Spin), time.Duration(t.PollInterval)))
	r := t.StartRetry
	row("failed starts", fmt.Sprintf("%d attempts, backoff %s to %s, jitter %d %%", r.Attempts, time.Duration(r.Backoff), time.Duration(r.MaxBackoff), r.Jitter))
	return b.String()
}
