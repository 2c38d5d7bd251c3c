package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/progress"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/workflows"
)

const auditGrace = 3 * time.Second

// summary is what the report tells beside recoveries and violations.
type summary struct {
	tickets  ledger.Counts
	statuses map[string]int // items by how they ended
	runs     int            // of execution workflows, in Temporal
	checked  map[string]int64
	replayed map[string]int // histories by workflow type
	notes    []string
	peak     int64          // the longest backlog
	longest  time.Duration  // that something has waited beside a free slot
	learnt   map[string]int // ends of workflows of the application's own, by how
}

// neverStarted is put before the status of an item that ended without an execution.
const neverStarted = "never started and "

// count adds an item.
func (s summary) count(f ledger.Fact) {
	status := f.Status
	if f.Reason != "" {
		status = neverStarted + status
	}
	s.statuses[status]++
}

// executions counts the items that were started.
func (s summary) executions() (n int) {
	for status, count := range s.statuses {
		if !strings.HasPrefix(status, neverStarted) {
			n += count
		}
	}
	return n
}

// judge looks at the system from the outside, once it has come to rest.
func (c *chaos) judge(ctx context.Context) (summary, error) {
	s := summary{statuses: map[string]int{}, checked: map[string]int64{}, tickets: c.ledger.Counts()}
	c.say("auditing")
	report, err := operate.Audit(ctx, c.pool, func(context.Context) (client.Client, error) { return c.client, nil }, operate.AuditOptions{Grace: auditGrace})
	if err != nil {
		return s, err
	}
	for _, f := range report.Findings {
		s.checked[f.Name] = f.Checked
		for _, b := range f.Offenders {
			c.violated(f.Name, b.ID.String(), "%s", b.What)
		}
		for range f.Violations - int64(len(f.Offenders)) {
			c.violated(f.Name, "", "one more than the audit names")
		}
		for _, why := range f.Unchecked {
			c.violated(f.Name, "", "could not be checked: %s", why)
		}
		s.notes = append(s.notes, f.Notes...)
	}
	if c.restarts > 0 {
		s.notes = append(s.notes, fmt.Sprintf("Temporal's SQLite was stuck %d times, and was started again", c.restarts))
	}
	facts, err := c.facts(ctx)
	if err != nil {
		return s, err
	}
	for _, f := range facts {
		s.count(f)
	}
	runs, err := c.runs(ctx)
	if err != nil {
		return s, err
	}
	s.runs = len(runs)
	for _, v := range c.ledger.Judge(facts, runs) {
		c.violated(v.Promise, v.ID, "%s", v.What)
	}
	if s.longest, err = c.judgeProgress(ctx); err != nil {
		return s, err
	}
	s.learnt = c.judgeLearnt()
	s.replayed, err = c.replay(ctx)
	return s, err
}

// facts are all items, wherever they are.
func (c *chaos) facts(ctx context.Context) ([]ledger.Fact, error) {
	rows, err := c.pool.Query(ctx, `
		SELECT i.id, i.workspace_id AS workspace, i.workflow_definition_id AS definition, i.workflow_type AS kind,
		       coalesce((i.input ->> 'ticket')::int, (i.input -> 0 ->> 'ticket')::int, substring(i.engine_workflow_id FROM '^ticket-(\d+)$')::int, -1) AS ticket,
		       coalesce(e.status, i.status) AS status, coalesce(e.reason, '') AS reason,
		       CASE WHEN i.workflow_type IS NOT NULL AND e.reason IS NULL THEN e.ended_at END AS freed,
		       EXISTS (SELECT FROM sluice.activity_log l WHERE l.queue_id = i.id AND l.action = 'reopened' AND l.reason = 'reset') AS regained, i.replay_of
		FROM sluice.queue_items i LEFT JOIN sluice.ended e ON e.id = i.id`)
	if err != nil {
		return nil, fmt.Errorf("read all items: %w", err)
	}
	facts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f ledger.Fact, err error) {
		var definition *uuid.UUID
		var kind *string
		var freed *time.Time
		if err = row.Scan(&f.ID, &f.Workspace, &definition, &kind, &f.Ticket, &f.Status, &f.Reason, &freed, &f.Regained, &f.ReplayOf); err != nil {
			return f, err
		}
		if freed != nil {
			f.Freed = *freed
		}
		if definition != nil {
			f.Definition = *definition
		} else if kind != nil {
			f.Definition = ownID(*kind)
		}
		return f, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read all items: %w", err)
	}
	return facts, nil
}

// runs are all runs of items' workflows, whatever their type, as visibility lists them. Those of a chain count as its first one.
func (c *chaos) runs(ctx context.Context) ([]ledger.Run, error) {
	infos, err := c.list(ctx, fmt.Sprintf("WorkflowId STARTS_WITH '%s'", "execution-"))
	if err != nil {
		return nil, err
	}
	own, err := c.list(ctx, workflows.AttributeQueueItem+" IS NOT NULL")
	if err != nil {
		return nil, err
	}
	var runs []ledger.Run
	own = slices.DeleteFunc(own, func(info *workflowpb.WorkflowExecutionInfo) bool {
		return strings.HasPrefix(info.GetExecution().GetWorkflowId(), "execution-")
	})
	for _, info := range append(infos, own...) {
		id, ok := workflows.ParseExecutionID(info.GetExecution().GetWorkflowId())
		if !ok {
			id, ok = itemAttribute(info)
		}
		if !ok {
			c.violated(ledger.NoGhosts, info.GetExecution().GetWorkflowId(), "Temporal has a workflow of an id that is no execution's")
			continue
		}
		run := ledger.Run{ID: id, RunID: info.GetExecution().GetRunId(), Open: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
		if info.GetCloseTime() != nil {
			run.Closed = info.GetCloseTime().AsTime()
		}
		if kind := info.GetType().GetName(); kind == ownContinues || kind == ownRetries {
			if run.RunID, err = c.firstRun(ctx, info.GetExecution().GetWorkflowId(), run.RunID); err != nil {
				return nil, err
			}
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// itemAttribute is the item that a workflow says it was started for.
func itemAttribute(info *workflowpb.WorkflowExecutionInfo) (uuid.UUID, bool) {
	var text string
	if json.Unmarshal(info.GetSearchAttributes().GetIndexedFields()[workflows.AttributeQueueItem].GetData(), &text) != nil {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil
}

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
