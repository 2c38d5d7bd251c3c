package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/forged"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/plan"
	mending "sluice/internal/recovery"
	"sluice/internal/request"
	"sluice/queue"
)

const (
	// heldOpen is how many workflows of the application's own a fault keeps open, to end them when it sees fit.
	heldOpen = 6
	// ownsToJudge is how many ends there must be before it is worth asking whether any was learnt by a callback.
	ownsToJudge = 20
)

// ownQueue is the task queue of an application's own workflows, whose worker knows nothing of Sluice.
const ownQueue = "chaos.own"

// The workflow types of the application: one for each way to end by itself, and one that does not. Naps are long enough to be hurt while they run.
const (
	ownCompletes = "Completes"
	ownFails     = "Fails"
	ownNaps      = "Naps"
	ownContinues = "Continues"
	ownRetries   = "Retries"
	ownOverruns  = "Overruns"
	ownWaits     = "Waits" // until it is ended
)

// owns are those types, with the options of their starts.
var owns = map[string]struct {
	options string
	run     any
}{
	ownCompletes: {`{"memo": {"mine": 1}}`, func(_ workflow.Context, order map[string]int) (map[string]int, error) { return order, nil }},
	ownFails: {`{}`, func(workflow.Context, map[string]int) error {
		return temporal.NewNonRetryableApplicationError("no stock", "Stock", nil)
	}},
	ownNaps:     {`{}`, func(ctx workflow.Context, _ map[string]int) error { return workflow.Sleep(ctx, 3*time.Second) }},
	ownOverruns: {`{"executionTimeout": "1s"}`, func(ctx workflow.Context, _ map[string]int) error { return workflow.Sleep(ctx, 10*time.Minute) }},
	ownWaits:    {`{}`, func(ctx workflow.Context, _ map[string]int) error { return workflow.Sleep(ctx, 2*time.Minute) }},
	ownContinues: {`{}`, func(ctx workflow.Context, order map[string]int) error {
		if order["left"]++; order["left"] < 4 {
			return workflow.NewContinueAsNewError(ctx, ownContinues, order)
		}
		return nil
	}},
	ownRetries: {`{"retry": {"initialInterval": "100ms", "maximumAttempts": 5}}`, func(ctx workflow.Context, _ map[string]int) error {
		if workflow.GetInfo(ctx).Attempt < 3 {
			return errors.New("not yet")
		}
		return nil
	}},
}

// serveOwn runs the application's worker.
func serveOwn(c client.Client) (stop func(), err error) {
	w := worker.New(c, ownQueue, worker.Options{})
	for name, own := range owns {
		w.RegisterWorkflowWithOptions(own.run, workflow.RegisterOptions{Name: name})
	}
	return w.Stop, w.Start()
}

// ownID stands for a type where the ledger has a definition.
func ownID(name string) uuid.UUID { return uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)) }

// ownOf is the type that a ticket is for, if it is for none of the definitions.
func ownOf(t ledger.Ticket) (name string, ok bool) {
	for name := range owns {
		if t.Definition == ownID(name) {
			return name, true
		}
	}
	return "", false
}

// ownItem is the item of a ticket for one of these types. Its workflow has an id of its own, which has the ticket's number.
func ownItem(t ledger.Ticket, name string) queue.Item {
	in, err := request.ParseInput(fmt.Appendf(nil, `{"args": [{"ticket": %d}], "options": %s}`, t.Number, owns[name].options))
	if err != nil {
		panic(err)
	}
	r := in.FromJSON()
	r.WorkflowId, r.WorkflowType = fmt.Sprintf("ticket-%d", t.Number), &commonpb.WorkflowType{Name: name}
	r.TaskQueue = &taskqueuepb.TaskQueue{Name: ownQueue}
	return queue.Item{WorkspaceID: t.Workspace, UniqueKey: t.Key, EnqueuedBy: actor, Workflow: &queue.Workflow{Request: r}}
}

// enqueueOwnBySQL is what a client in another language does. The workflow has the id of its item.
func (c *chaos) enqueueOwnBySQL(ctx context.Context, item queue.Item, r *workflowservice.StartWorkflowExecutionRequest, available *time.Time) (raw []byte, err error) {
	name := r.GetWorkflowType().GetName()
	err = c.pool.QueryRow(ctx, `
		SELECT sluice.enqueue_workflow(workspace_id => $1, workflow_type => $2, task_queue => $3, args => ('[' || $4 || ']')::jsonb, options => $5::jsonb, available_at => $6,
			unique_key => nullif($7, ''), enqueued_by => $8)`,
		item.WorkspaceID, name, ownQueue, string(r.GetInput().GetPayloads()[0].GetData()), owns[name].options, available, item.UniqueKey, item.EnqueuedBy).Scan(&raw)
	return raw, err
}

// workflowID is what the workflow of an item is called.
func (c *chaos) workflowID(ctx context.Context, item uuid.UUID) (id string, err error) {
	err = c.pool.QueryRow(ctx, `SELECT engine_workflow_id FROM sluice.queue_items WHERE id = $1`, item).Scan(&id)
	return id, err
}

// firstRun is the first run of the chain that a run is of: a chain is one execution.
func (c *chaos) firstRun(ctx context.Context, workflowID, runID string) (string, error) {
	described, err := c.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		return runID, nil
	case err != nil:
		return "", fmt.Errorf("describe %s: %w", workflowID, err)
	}
	return described.GetWorkflowExecutionInfo().GetFirstRunId(), nil
}

// callbackOf is what the first event of an item's workflow says of its callback; none where it has none, or is gone.
func (c *chaos) callbackOf(ctx context.Context, item uuid.UUID) (found forged.Callback, err error) {
	workflowID, err := c.workflowID(ctx, item)
	if err != nil {
		return found, err
	}
	events := c.client.GetWorkflowHistory(ctx, workflowID, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	first, err := events.Next()
	var gone *serviceerror.NotFound
	if errors.As(err, &gone) {
		return found, nil
	}
	started := first.GetWorkflowExecutionStartedEventAttributes()
	for _, callback := range started.GetCompletionCallbacks() {
		found = forged.Callback{Header: callback.GetNexus().GetHeader(), Namespace: c.cluster.Namespace, WorkflowID: workflowID, RunID: started.GetOriginalExecutionRunId()}
	}
	return found, err
}

// openOwn has the workspace of the probes run workflows of the application's own that stay open.
func (c *chaos) openOwn(ctx context.Context) (ids []uuid.UUID, err error) {
	if ids, err = c.enqueueAll(ctx, c.cast.probe, ownWaits, heldOpen); err != nil {
		return nil, err
	}
	return ids, c.insist(ctx, func(ctx context.Context) error {
		var started int
		err := c.pool.QueryRow(ctx, `SELECT count(*) FROM (
			SELECT id FROM sluice.running WHERE dispatched_at IS NOT NULL UNION ALL SELECT id FROM sluice.ended) AS x WHERE id = ANY ($1)`, ids).Scan(&started)
		if err == nil && started < len(ids) {
			err = fmt.Errorf("%d of %d workflows are started", started, len(ids))
		}
		return err
	})
}

// endOwn cancels or terminates workflows. Another fault may have ended some of them.
func (c *chaos) endOwn(ctx context.Context, f plan.Fault, ids []uuid.UUID) error {
	for i, id := range ids {
		err := c.insist(ctx, func(ctx context.Context) error {
			workflowID, err := c.workflowID(ctx, id)
			if err != nil {
				return err
			}
			if (f.Choice>>1+uint64(i))%2 == 0 {
				err = c.client.CancelWorkflow(ctx, workflowID, "")
			} else {
				err = c.client.TerminateWorkflow(ctx, workflowID, "", actor)
			}
			var over *serviceerror.NotFound
			if errors.As(err, &over) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keepCount looks at what the workers count until ctx ends.
func (c *chaos) keepCount(ctx context.Context) {
	for {
		for _, w := range c.cluster.Workers {
			limited, cancel := context.WithTimeout(ctx, time.Second)
			_ = w.Metrics(limited, c.counts.Show) // it may be away
			cancel()
		}
		if cluster.Sleep(ctx, 500*time.Millisecond) != nil {
			return
		}
	}
}

// judgeLearnt counts by which way ends were learnt. That calls are never taken would be hidden by recovery.
func (c *chaos) judgeLearnt() map[string]int {
	learnt := map[string]int{}
	all := 0
	for _, by := range []string{mending.ByCallback, mending.ByPass} {
		learnt[by] = c.counts.Of("sluice_executions_ended", "by", by)
		all += learnt[by]
	}
	if all >= ownsToJudge && learnt[mending.ByCallback] == 0 {
		c.violated(promiseCalled, "", "of %d ends none was learnt by a callback", all)
	}
	return learnt
}
