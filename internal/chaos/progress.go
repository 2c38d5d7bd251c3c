package main

import (
	"context"
	"fmt"
	"time"

	"sluice/internal/chaos/progress"
	"sluice/internal/operate"
	"sluice/internal/store"
)

// waitsSQL has what has been claimed later than it was ready, by more than a time. What has been ready more than once is left
// out, and what was committed long after it was created.
const waitsSQL = `
	SELECT x.id, x.workspace_id AS workspace, greatest(x.available_at, x.created_at) AS "from", x.claimed_at AS "to" FROM (
		SELECT id, workspace_id, created_at, available_at, claimed_at, enqueued_by FROM sluice.running WHERE turn IS NOT NULL
		UNION ALL SELECT id, workspace_id, created_at, available_at, claimed_at, enqueued_by FROM sluice.ended WHERE reason IS NULL) AS x
	WHERE x.enqueued_by <> $1 AND x.claimed_at - greatest(x.available_at, x.created_at) > $2
	  AND NOT EXISTS (SELECT FROM sluice.activity_log l WHERE l.queue_id = x.id AND l.action IN ('requeued', 'retried', 'reopened')
	                  OR l.queue_id = x.id AND l.reason = 'stale-claim')`

// judgeProgress looks for items that were ready beside a free slot for longer than the audit lets one wait, at any time of the
// run; it returns the longest such time.
func (c *chaos) judgeProgress(ctx context.Context) (longest time.Duration, err error) {
	j, err := c.record(ctx)
	if err != nil {
		return 0, err
	}
	waits, err := store.Collect[progress.Wait](ctx, c.pool, waitsSQL, late, time.Second)
	if err != nil {
		return 0, fmt.Errorf("read waits: %w", err)
	}
	for _, w := range waits {
		beside := j.Beside(w)
		took := beside.To.Sub(beside.From)
		longest = max(longest, took)
		if took > operate.DefaultGrace {
			c.violated(promiseProgress, w.ID.String(), "it waited beside a free slot of workspace %s from %.1f s to %.1f s of the run", w.Workspace,
				beside.From.Sub(c.began).Seconds(), beside.To.Sub(c.began).Seconds())
		}
	}
	return longest, nil
}

// record is what the run was like.
func (c *chaos) record(ctx context.Context) (*progress.Judge, error) {
	held, err := operate.HeldSlots(ctx, c.pool, time.Time{})
	if err != nil {
		return nil, err
	}
	record, err := operate.ReadRecord(ctx, c.pool, time.Time{})
	if err != nil {
		return nil, err
	}
	var away []progress.Span
	for _, o := range c.weather.Outages() {
		away = append(away, progress.Span(o))
	}
	return progress.New(record.Changes, record.Global, held, away), nil
}
