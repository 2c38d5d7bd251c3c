package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
	"sluice/workflows"
)

// victimPatience is how long to look for an execution to hurt.
const victimPatience = time.Minute

// The load's naps are long enough to be hurt while they run. A doze that is reset is open again for longer than its slot
// may be missing.
const (
	openNapsSQL = `
		SELECT e.id FROM sluice.executions e LEFT JOIN sluice.workflow_definitions d ON d.id = e.workflow_definition_id
		WHERE e.status = 'RUNNING' AND (d.name = 'nap' OR e.workflow_type = 'Naps') AND e.started_at > now() - interval '2 seconds' ORDER BY e.id DESC LIMIT 20`
	closedDozesSQL = `
		SELECT e.id FROM sluice.executions e JOIN sluice.workflow_definitions d ON d.id = e.workflow_definition_id
		WHERE e.status = 'COMPLETED' AND d.name = 'doze' AND e.completed_at > now() - interval '1 minute' ORDER BY e.id DESC LIMIT 20`
)

// hurt finds victims until the deed is done to one, and measures from then on. The deed fails where the execution has
// ended meanwhile or Temporal is away: then there will be another one.
func (c *chaos) hurt(ctx context.Context, f plan.Fault, victimsSQL string, deed func(ctx context.Context, id uuid.UUID) error,
	missing func(ctx context.Context, id uuid.UUID) (string, error)) (aftermath, error) {
	last := errors.New("there was none")
	for deadline := time.Now().Add(victimPatience); time.Now().Before(deadline); {
		id, err := c.victim(ctx, f, victimsSQL)
		if err == nil {
			limited, cancel := context.WithTimeout(ctx, lookTimeout)
			err = deed(limited, id)
			cancel()
		}
		if err == nil {
			return aftermath{target: workflows.ExecutionID(id), since: time.Now(),
				missing: func(ctx context.Context) (string, error) { return missing(ctx, id) }}, nil
		}
		last = err
		if err := cluster.Sleep(ctx, 200*time.Millisecond); err != nil {
			return aftermath{}, err
		}
	}
	return aftermath{}, fmt.Errorf("no victim: %w", last)
}

func (c *chaos) victim(ctx context.Context, f plan.Fault, victimsSQL string) (uuid.UUID, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var id uuid.UUID
	err := c.pool.QueryRow(ctx, `SELECT id FROM (SELECT id, row_number() OVER () - 1 AS place, count(*) OVER () AS all FROM (`+victimsSQL+`) AS v) AS numbered
		WHERE place = $1 % numbered.all`, int64(f.Choice>>1)).Scan(&id)
	return id, err
}

func (c *chaos) terminateExecution(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.hurt(ctx, f, openNapsSQL, func(ctx context.Context, id uuid.UUID) error {
		workflowID, err := c.workflowID(ctx, id)
		if err != nil {
			return err
		}
		return c.client.TerminateWorkflow(ctx, workflowID, "", actor)
	}, c.slotGone)
}

func (c *chaos) cancelExecution(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.hurt(ctx, f, openNapsSQL, func(ctx context.Context, id uuid.UUID) error {
		workflowID, err := c.workflowID(ctx, id)
		if err != nil {
			return err
		}
		return c.client.CancelWorkflow(ctx, workflowID, "")
	}, c.slotGone)
}

func (c *chaos) deleteExecution(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.hurt(ctx, f, openNapsSQL, func(ctx context.Context, id uuid.UUID) error {
		workflowID, err := c.workflowID(ctx, id)
		if err != nil {
			return err
		}
		_, err = c.client.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
			Namespace: c.cluster.Namespace, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID}})
		return err
	}, c.slotGone)
}

func (c *chaos) resetOpen(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.hurt(ctx, f, openNapsSQL, c.reset, c.slotAsWorkflow)
}

func (c *chaos) resetClosed(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.hurt(ctx, f, closedDozesSQL, c.reset, c.slotAsWorkflow)
}

// resetMany has a workspace fill its slots with executions that last, and when they have completed resets all of them at once
// beside a backlog: Temporal runs them again whatever the limit says, and each has to regain a slot while others are claimed.
func (c *chaos) resetMany(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	ids, err := c.enqueueAll(limited, at, nodeDoze, planLimit(at.plan))
	if err != nil {
		return aftermath{}, err
	}
	if err := c.insist(limited, func(ctx context.Context) error { return c.allAre(ctx, ids, "COMPLETED") }); err != nil {
		return aftermath{}, err
	}
	if _, err := c.enqueueAll(limited, at, nodeBlink, 4*planLimit(at.plan)); err != nil {
		return aftermath{}, err
	}
	errs := make([]error, len(ids))
	var all sync.WaitGroup
	for i, id := range ids {
		all.Go(func() { errs[i] = c.reset(limited, id) })
	}
	all.Wait()
	if slices.Contains(errs, nil) {
		err = nil
	} else {
		err = errors.Join(errs...)
	}
	return aftermath{target: fmt.Sprintf("%d of workspace %s", len(ids), at.workspace), since: time.Now(),
		missing: func(ctx context.Context) (string, error) {
			for _, id := range ids {
				if what, err := c.slotAsWorkflow(ctx, id); err != nil || what != "" {
					return what, err
				}
			}
			return "", nil
		}}, err
}

// reset takes an execution back to its first workflow task: its workflow begins anew, in another run.
func (c *chaos) reset(ctx context.Context, id uuid.UUID) error {
	workflowID, err := c.workflowID(ctx, id)
	if err != nil {
		return err
	}
	described, err := c.client.DescribeWorkflowExecution(ctx, workflowID, "")
	if err != nil {
		return err
	}
	run := described.GetWorkflowExecutionInfo().GetExecution()
	events := c.client.GetWorkflowHistory(ctx, run.GetWorkflowId(), run.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return err
		}
		if event.GetEventType() != enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		c.ledger.Reset(id) // before it is asked for: an answer may get lost
		_, err = c.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
			Namespace: c.cluster.Namespace, WorkflowExecution: run, Reason: actor, RequestId: uuid.NewString(),
			WorkflowTaskFinishEventId: event.GetEventId()})
		return err
	}
	return fmt.Errorf("%s has not begun", workflowID)
}

// timeOutExecution enqueues one that passes its definition's timeout, and measures from the moment it has.
func (c *chaos) timeOutExecution(ctx context.Context, f plan.Fault) (aftermath, error) {
	at := c.cast.place(f.Choice)
	ticket := c.ledger.Issue(at.workspace, at.definitions[nodeOverdue], fmt.Sprintf("overdue-%d", f.Number))
	id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(itemOf(ticket)))
	if !ok {
		return aftermath{}, ctx.Err()
	}
	limited, cancel := context.WithTimeout(ctx, 2*victimPatience)
	defer cancel()
	err := c.insist(limited, func(ctx context.Context) error {
		described, err := c.client.DescribeWorkflowExecution(ctx, workflows.ExecutionID(id), "")
		if err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			err = errors.New("it runs")
		}
		return err
	})
	if err != nil {
		return aftermath{}, fmt.Errorf("%s does not pass its timeout: %w", workflows.ExecutionID(id), err)
	}
	return aftermath{target: workflows.ExecutionID(id), since: time.Now(),
		missing: func(ctx context.Context) (string, error) { return c.slotGone(ctx, id) }}, nil
}

func (c *chaos) hasSlot(ctx context.Context, id uuid.UUID) (held bool, err error) {
	err = c.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sluice.running WHERE id = $1)`, id).Scan(&held)
	return held, err
}

// slotGone waits for the slot of an execution that is over.
func (c *chaos) slotGone(ctx context.Context, id uuid.UUID) (string, error) {
	held, err := c.hasSlot(ctx, id)
	if err == nil && held {
		return fmt.Sprintf("%s still holds its slot", workflows.ExecutionID(id)), nil
	}
	return "", err
}

// slotAsWorkflow waits until an execution holds a slot exactly if its workflow is open.
func (c *chaos) slotAsWorkflow(ctx context.Context, id uuid.UUID) (string, error) {
	held, err := c.hasSlot(ctx, id)
	if err != nil {
		return "", err
	}
	workflowID, err := c.workflowID(ctx, id)
	if err != nil {
		return "", err
	}
	described, err := c.client.DescribeWorkflowExecution(ctx, workflowID, "")
	var notFound *serviceerror.NotFound
	if err != nil && !errors.As(err, &notFound) {
		return "", err
	}
	open := err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	switch {
	case open && !held:
		return fmt.Sprintf("%s is open and holds no slot", workflows.ExecutionID(id)), nil
	case held && !open:
		return fmt.Sprintf("%s is closed and holds a slot", workflows.ExecutionID(id)), nil
	}
	return "", nil
}

// allAre returns nil when all these executions have a status.
func (c *chaos) allAre(ctx context.Context, ids []uuid.UUID, status string) error {
	rows, err := c.pool.Query(ctx, `SELECT w.status FROM unnest($1::uuid[]) AS id, sluice.whereabouts(id) AS w`, ids)
	if err != nil {
		return err
	}
	are, err := pgx.CollectRows(rows, pgx.RowTo[*string])
	if err != nil {
		return err
	}
	if slices.ContainsFunc(are, func(is *string) bool { return is == nil || *is != status }) {
		return fmt.Errorf("not all of %d are %s", len(ids), status)
	}
	return nil
}
