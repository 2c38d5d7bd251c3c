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
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/chaos/ledger"
	"sluice/internal/operate"
	"sluice/workflows"
)

const (
	auditGrace = 3 * time.Second
	listPage   = 1000
)

// summary is what the report tells beside recoveries and violations.
type summary struct {
	tickets  ledger.Counts
	statuses map[string]int // items by how they ended
	runs     int            // of execution workflows, in Temporal
	checked  map[string]int64
	replayed map[string]int // histories by workflow type
	notes    []string
	peak     int64         // the longest backlog
	longest  time.Duration // that something has waited beside a free slot
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
	s.replayed, err = c.replay(ctx)
	return s, err
}

// facts are all items, wherever they are.
func (c *chaos) facts(ctx context.Context) ([]ledger.Fact, error) {
	rows, err := c.pool.Query(ctx, `
		SELECT i.id, i.workspace_id AS workspace, i.workflow_definition_id AS definition, i.workflow_type AS kind,
		       coalesce((i.input ->> 'ticket')::int, (i.input -> 0 ->> 'ticket')::int, substring(i.engine_workflow_id FROM '^ticket-(\d+)$')::int, -1) AS ticket,
		       coalesce(e.status, i.status) AS status, coalesce(e.reason, '') AS reason
		FROM sluice.queue_items i LEFT JOIN sluice.ended e ON e.id = i.id`)
	if err != nil {
		return nil, fmt.Errorf("read all items: %w", err)
	}
	facts, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f ledger.Fact, err error) {
		var definition *uuid.UUID
		var kind *string
		if err = row.Scan(&f.ID, &f.Workspace, &definition, &kind, &f.Ticket, &f.Status, &f.Reason); err != nil {
			return f, err
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

// list reads all pages of a visibility query.
func (c *chaos) list(ctx context.Context, query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var all []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: listPage}
	for {
		page, err := c.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list workflows where %s: %w", query, err)
		}
		all = append(all, page.GetExecutions()...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return all, nil
		}
	}
}

// judgeCut looks for claims between two moments, of some workspaces or of all. What recovery took out of what waits because
// its workflow ran was not claimed.
func (c *chaos) judgeCut(ctx context.Context, r restriction, from, to time.Time) error {
	rows, err := c.pool.Query(ctx, `
		SELECT x.id, x.claimed_at FROM (
			SELECT id, workspace_id, claimed_at FROM sluice.running WHERE turn IS NOT NULL
			UNION ALL SELECT id, workspace_id, claimed_at FROM sluice.ended WHERE ended_at > $1) AS x
		WHERE x.claimed_at > $1 AND x.claimed_at < $2 AND ($3::uuid[] IS NULL OR x.workspace_id = ANY ($3))
		  AND NOT EXISTS (SELECT FROM sluice.activity_log l WHERE l.queue_id = x.id AND l.action = 'reopened' AND l.reason = 'started-late')`,
		from, to, workspacesOf(r.scope))
	if err != nil {
		return err
	}
	var id uuid.UUID
	var at time.Time
	var found []string
	_, err = pgx.ForEachRow(rows, []any{&id, &at}, func() error {
		found = append(found, fmt.Sprintf("%s at %s", id, at.UTC().Format(time.RFC3339Nano)))
		return nil
	})
	if err == nil && len(found) > 0 {
		c.violated(promiseCuts, r.part, "was 0 from %s to %s, and there were claims: %v", from.UTC().Format(time.RFC3339Nano), to.UTC().Format(time.RFC3339Nano), found)
	}
	return err
}
