package activities

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"sluice/workflows"
)

// mostKnown is how many runs are remembered that are no children.
const mostKnown = 4096

// alone remembers the runs that are nobody's children: what a run is, it stays.
type alone struct {
	mu    sync.Mutex
	known map[string]bool // by run id
}

func (k *alone) knows(run string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[run]
}

func (k *alone) add(run string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= mostKnown {
		k.known = map[string]bool{}
	}
	k.known[run] = true
}

// refuseChild refuses the call of a child: its parent has chosen its id, which may read as another workflow's. Every other workflow whose id
// begins as Sluice's do was started by Sluice, because nobody else may enqueue one, and keeps its id when it continues as new. What runs a
// local activity is code that this process has registered, which refuses to be a child itself.
func (a *Activities) refuseChild(ctx context.Context) error {
	info := activity.GetInfo(ctx)
	if info.IsLocalActivity || a.alone.knows(info.WorkflowExecution.RunID) {
		return nil
	}
	parent, err := a.parentOf(ctx, info.WorkflowExecution)
	if err != nil {
		return err
	}
	if parent != "" {
		return refusedCaller(info, "as a child of "+parent)
	}
	a.alone.add(info.WorkflowExecution.RunID)
	return nil
}

// parentOf returns the id of a run's parent; a run that continues a child has the same one.
func (a *Activities) parentOf(ctx context.Context, run workflow.Execution) (string, error) {
	found, err := a.client.DescribeWorkflowExecution(ctx, run.ID, run.RunID)
	if err != nil {
		return "", fmt.Errorf("describe %s: %w", run.ID, err)
	}
	return found.GetWorkflowExecutionInfo().GetParentExecution().GetWorkflowId(), nil
}

// refusedCaller is the error for a workflow that may not call an activity.
func refusedCaller(info activity.Info, why string) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("workflow %s of type %s, %s, may not call activity %s of Sluice",
		info.WorkflowExecution.ID, info.WorkflowType.Name, why, info.ActivityType.Name), workflows.ErrorRefused, nil)
}

// onlyOf returns an activity that takes the calls of the workflows of one of Sluice's own types alone, by what Temporal tells of them: the
// task queue is open to every workflow of the namespace.
func (a *Activities) onlyOf(workflowType string, function any) any {
	guarded := reflect.ValueOf(function)
	return reflect.MakeFunc(guarded.Type(), func(args []reflect.Value) []reflect.Value {
		err := a.refuseOthers(args[0].Interface().(context.Context), workflowType)
		if err == nil {
			return guarded.Call(args)
		}
		results := make([]reflect.Value, guarded.Type().NumOut())
		for i := range results {
			results[i] = reflect.Zero(guarded.Type().Out(i))
		}
		results[len(results)-1] = reflect.ValueOf(&err).Elem()
		return results
	}).Interface()
}

func (a *Activities) refuseOthers(ctx context.Context, workflowType string) error {
	info := activity.GetInfo(ctx)
	if info.WorkflowType.Name != workflowType || !workflows.IsOwnID(workflowType, info.WorkflowExecution.ID) {
		return refusedCaller(info, "not of Sluice itself")
	}
	return a.refuseChild(ctx)
}
