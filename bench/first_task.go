package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
	"sluice/workflows"
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

// awaitPatience is how long something may take that a scenario waits for.
const awaitPatience = 10 * time.Minute

// await asks until it is so.
func await(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, awaitPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if yes, err := is(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// rest waits for d.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// asked is a workflow and when it was asked for.
type asked struct {
	WorkflowID string    `json:"workflowId"`
	At         time.Time `json:"at"`
}

// plainStarter starts the workflow of executions as a client without Sluice would.
type plainStarter struct {
	client client.Client
	graph  definition.Definition
}

func newPlainStarter(c client.Client) (plainStarter, error) {
	graph, err := definition.ParseVersion([]byte(nothing), "nothing")
	return plainStarter{client: c, graph: graph}, err
}

// start starts the workflow by an id of its own, on the task queue of the workspace, with the input that Sluice would give it.
func (p plainStarter) start(ctx context.Context, workflowID string, execution, workspace, definition uuid.UUID) error {
	options := client.StartWorkflowOptions{ID: workflowID, TaskQueue: workflows.WorkspaceTaskQueue(workspace)}
	_, err := p.client.ExecuteWorkflow(ctx, options, workflows.ExecutionType, workflows.ExecutionInput{
		ExecutionID: execution, WorkspaceID: workspace, Plan: plan, DefinitionID: definition, VersionNumber: 1,
		Definition: p.graph, Input: smallInput,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", workflowID, err)
	}
	return nil
}

// ask starts one of which Postgres knows nothing, so that its outcome tells no dispatcher.
func (p plainStarter) ask(ctx context.Context, workspace, definition uuid.UUID) (asked, error) {
	id := uuid.New()
	a := asked{"plain-" + id.String(), time.Now()}
	return a, p.start(ctx, a.WorkflowID, id, workspace, definition)
}

// toFirstTasks is how long each took from being asked for to its first workflow task.
func (s *stack) toFirstTasks(ctx context.Context, all []asked) (took []time.Duration, err error) {
	for _, a := range all {
		task, err := s.tasks.first(ctx, a.WorkflowID)
		if err != nil {
			return nil, err
		}
		took = append(took, task.Sub(a.At))
	}
	return took, nil
}

// askOwn starts the workflow of the application's own type, as the application would without Sluice.
func (p plainStarter) askOwn(ctx context.Context) (asked, error) {
	a := asked{"plain-" + uuid.NewString(), time.Now()}
	_, err := p.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: a.WorkflowID, TaskQueue: ownQueue}, ownType)
	if err != nil {
		err = fmt.Errorf("start %s: %w", a.WorkflowID, err)
	}
	return a, err
}
