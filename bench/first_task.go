package main

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// firstTasks notes when a worker of this process begins the first task of a workflow. Temporal's own record would not
// do: it says when the server gave the task away, which for one that comes with the answer to the start is before the
// start is on disk.
type firstTasks struct {
	interceptor.InterceptorBase
	seen sync.Map // workflow id to time.Time
}

// InterceptWorkflow is called when a worker begins with a workflow, for the first time or from its history.
func (f *firstTasks) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	f.seen.LoadOrStore(workflow.GetInfo(ctx).WorkflowExecution.ID, time.Now())
	return next
}

// first is when the first task of a workflow was begun. It waits for that.
func (f *firstTasks) first(ctx context.Context, workflowID string) (at time.Time, err error) {
	err = await(ctx, "the first task of "+workflowID, func() (bool, error) {
		seen, ok := f.seen.Load(workflowID)
		if ok {
			at = seen.(time.Time)
		}
		return ok, nil
	})
	return at, err
}
