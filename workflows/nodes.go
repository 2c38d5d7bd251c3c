package workflows

import (
	"fmt"
	"net/http"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

// startNode starts one node and returns the future of its output; nodes without an output have none.
func startNode(ctx workflow.Context, in ExecutionInput, n definition.Node) workflow.Future {
	future, settable := workflow.NewFuture(ctx)
	fail := func(err error) workflow.Future {
		settable.SetError(temporal.NewNonRetryableApplicationError(err.Error(), "InvalidNode", err))
		return future
	}
	switch n.Type {
	case definition.Noop:
		settable.Set(nil, nil)
		return future
	case definition.Delay:
		config, err := n.Delay()
		if err != nil {
			return fail(err)
		}
		return workflow.NewTimerWithOptions(ctx, time.Duration(config.Duration), workflow.TimerOptions{Summary: n.Label()})
	case definition.HTTP:
		config, err := n.HTTP()
		if err != nil {
			return fail(err)
		}
		return callHTTP(ctx, in, n, config)
	case definition.Workflow:
		config, err := n.Workflow()
		if err != nil {
			return fail(err)
		}
		return startChild(ctx, in, n, config)
	}
	return fail(fmt.Errorf("unknown type %q", n.Type))
}

func callHTTP(ctx workflow.Context, in ExecutionInput, n definition.Node, c definition.HTTPConfig) workflow.Future {
	request := HTTPRequest{
		Method: c.Method, URL: c.URL, Headers: c.Headers, Body: c.Body,
		IdempotencyKey: fmt.Sprintf("%s/%s", in.ExecutionID, n.ID),
	}
	if len(request.Body) == 0 && (c.Method == http.MethodPost || c.Method == http.MethodPut || c.Method == http.MethodPatch) {
		request.Body = in.Input
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           TaskQueueExternalAPI,
		StartToCloseTimeout: time.Duration(c.Timeout),
		RetryPolicy:         retryPolicy(c.Retry),
		Summary:             n.Label(),
	})
	return workflow.ExecuteActivity(ctx, ActivityCallHTTP, request)
}

func startChild(ctx workflow.Context, in ExecutionInput, n definition.Node, c definition.WorkflowConfig) workflow.Future {
	taskQueue := c.TaskQueue
	if taskQueue == "" {
		taskQueue = WorkspaceTaskQueue(in.WorkspaceID)
	}
	input := c.Input
	if len(input) == 0 {
		input = in.Input
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:               fmt.Sprintf("%s/%s", ExecutionID(in.ExecutionID), n.ID),
		TaskQueue:                taskQueue,
		WorkflowExecutionTimeout: time.Duration(c.Timeout),
		RetryPolicy:              childRetryPolicy(c.Retry),
		WaitForCancellation:      true,
		ParentClosePolicy:        enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		StaticSummary:            n.Label(),
		// Children inherit priority but not search attributes.
		TypedSearchAttributes: ExecutionAttributes(in.WorkspaceID, in.Plan, in.Definition.Name, in.ExecutionID),
	})
	return workflow.ExecuteChildWorkflow(ctx, c.WorkflowType, input)
}

func retryPolicy(r definition.Retry) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    time.Duration(r.InitialInterval),
		BackoffCoefficient: r.BackoffCoefficient,
		MaximumInterval:    time.Duration(r.MaximumInterval),
		MaximumAttempts:    r.MaximumAttempts,
	}
}

// childRetryPolicy is nil unless the node asks for retries: like any workflow, a child is not retried by default.
func childRetryPolicy(r definition.Retry) *temporal.RetryPolicy {
	if r == (definition.Retry{}) {
		return nil
	}
	return retryPolicy(r)
}
