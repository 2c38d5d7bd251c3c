package workflows

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
)

// step is a node that can be started: how many bytes that sends to the server, and how it is done. The future has a value only
// if the node has an output.
type step struct {
	bytes int
	start func(workflow.Context) workflow.Future
}

func stepOf(in ExecutionInput, n definition.Node) (step, error) {
	switch n.Type {
	case definition.Noop:
		return step{start: doneAtOnce}, nil
	case definition.Delay:
		config, err := n.Delay()
		if err != nil {
			return step{}, err
		}
		if config.Duration <= 0 { // the SDK's timer would have a value
			return step{start: doneAtOnce}, nil
		}
		return step{commandBytes, func(ctx workflow.Context) workflow.Future {
			return workflow.NewTimerWithOptions(ctx, time.Duration(config.Duration), workflow.TimerOptions{Summary: summaryOf(n)})
		}}, nil
	case definition.HTTP:
		config, err := n.HTTP()
		if err != nil {
			return step{}, err
		}
		request := requestOf(in, n, config)
		bytes, err := encodedSize(request)
		if err != nil {
			return step{}, err
		}
		arguments, err := argumentsOf(request, bodyIsInput(config))
		return step{bytes, func(ctx workflow.Context) workflow.Future { return callHTTP(ctx, n, config, arguments) }}, err
	case definition.Workflow:
		config, err := n.Workflow()
		if err != nil {
			return step{}, err
		}
		input := childInput(in, config)
		bytes, err := encodedSize(input)
		return step{bytes, func(ctx workflow.Context) workflow.Future { return startChild(ctx, in, n, config, input) }}, err
	}
	return step{}, fmt.Errorf("unknown type %q", n.Type)
}

// encodedSize is what a value has at most as it is sent: <, > and & count six bytes each, as in the SDK's own JSON. It decides which
// nodes start together, so it must stay as it is: executions that run have started theirs by it.
func encodedSize(value any) (int, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return 0, fmt.Errorf("encode what it sends: %w", err)
	}
	return len(raw) + commandBytes, nil
}

func doneAtOnce(ctx workflow.Context) workflow.Future {
	future, settable := workflow.NewFuture(ctx)
	settable.Set(nil, nil)
	return future
}

// summaryOf names a node in the Web UI. The server takes summaries of 400 bytes, in which a character may have six.
func summaryOf(n definition.Node) string {
	const most = 48
	runes := []rune(n.Label())
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

func requestOf(in ExecutionInput, n definition.Node, c definition.HTTPConfig) HTTPRequest {
	request := HTTPRequest{
		Method: c.Method, URL: c.URL, Headers: c.Headers, Body: c.Body,
		IdempotencyKey: fmt.Sprintf("%s/%s", in.ExecutionID, n.ID), Timeout: c.Timeout, Retry: c.Retry,
	}
	if bodyIsInput(c) {
		request.Body = in.Input
	}
	return request
}

// argumentsOf are the arguments of a call. A body that is the execution's input is one of its own, so that it is held once however many
// nodes send it.
func argumentsOf(request HTTPRequest, bodyIsInput bool) ([]any, error) {
	var body json.RawMessage
	if bodyIsInput {
		body, request.Body = request.Body, nil
	}
	plain, err := Plain(request)
	if err != nil || len(body) == 0 {
		return []any{plain}, err
	}
	return []any{plain, asIs(body)}, nil
}

func bodyIsInput(c definition.HTTPConfig) bool {
	return len(c.Body) == 0 && (c.Method == http.MethodPost || c.Method == http.MethodPut || c.Method == http.MethodPatch)
}

// sendsInput tells whether a node sends the input of its execution.
func sendsInput(n definition.Node) bool {
	switch n.Type {
	case definition.HTTP:
		c, err := n.HTTP()
		return err == nil && bodyIsInput(c)
	case definition.Workflow:
		c, err := n.Workflow()
		return err == nil && len(c.Input) == 0
	}
	return false
}

// sharedPriority is that of activities on the task queue that all workspaces share, as if nothing was said of it. An item's priority orders the
// items of its workspace only, and an activity has its workflow's unless it has one of its own.
const sharedPriority = 3

// PlacePatience is for how long a call waits in a worker for a place. Then it is put back: another worker may have one.
const PlacePatience = time.Minute

// callHeartbeat is after how long without a sign of life an attempt is taken for lost with its worker. An outage of Temporal that is shorter
// costs no call an attempt.
const callHeartbeat = time.Minute

// callHTTP leaves the number of attempts open: a call that is put back is none, and Temporal counts it as one. The activity ends them.
func callHTTP(ctx workflow.Context, n definition.Node, c definition.HTTPConfig, arguments []any) workflow.Future {
	policy := retryPolicy(c.Retry)
	policy.MaximumAttempts = 0
	policy.BackoffCoefficient = 1 // only for what was lost with its worker: otherwise the activity says when
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           TaskQueueExternalAPI,
		StartToCloseTimeout: PlacePatience + time.Duration(c.Timeout) + callHeartbeat, // the activity keeps to both itself
		HeartbeatTimeout:    callHeartbeat,
		RetryPolicy:         policy,
		Summary:             summaryOf(n),
		Priority:            temporal.Priority{PriorityKey: sharedPriority},
	})
	return workflow.ExecuteActivity(ctx, ActivityCallHTTP, arguments...)
}

func childInput(in ExecutionInput, c definition.WorkflowConfig) json.RawMessage {
	if len(c.Input) == 0 {
		return in.Input
	}
	return c.Input
}

func startChild(ctx workflow.Context, in ExecutionInput, n definition.Node, c definition.WorkflowConfig, input json.RawMessage) workflow.Future {
	taskQueue := c.TaskQueue
	if taskQueue == "" {
		taskQueue = WorkspaceTaskQueue(in.WorkspaceID)
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:               fmt.Sprintf("%s/%s", ExecutionID(in.ExecutionID), n.ID),
		TaskQueue:                taskQueue,
		WorkflowExecutionTimeout: time.Duration(c.Timeout),
		RetryPolicy:              childRetryPolicy(c.Retry),
		WaitForCancellation:      true,
		ParentClosePolicy:        enumspb.PARENT_CLOSE_POLICY_TERMINATE,
		StaticSummary:            summaryOf(n),
		// Children inherit priority but not search attributes.
		TypedSearchAttributes: ExecutionAttributes(in.WorkspaceID, in.Plan, in.Definition.Name, in.ExecutionID),
	})
	return workflow.ExecuteChildWorkflow(ctx, c.WorkflowType, asIs(input))
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
