package request

import (
	"errors"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// MaxBytes is the most that a request may have, as it is sent: what Temporal takes as a workflow's input, unless it is told otherwise.
const MaxBytes = 2 << 20

// Parse reads a request that is ready.
func Parse(raw []byte) (*workflowservice.StartWorkflowExecutionRequest, error) {
	var r workflowservice.StartWorkflowExecutionRequest
	err := checkFields(raw)
	if err == nil {
		err = proto.Unmarshal(raw, &r)
	}
	if err != nil {
		return nil, fmt.Errorf("request is no StartWorkflowExecutionRequest that can be started: %w", err)
	}
	return &r, nil
}

// Check returns what of a request cannot be admitted, joined.
func Check(r *workflowservice.StartWorkflowExecutionRequest) error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if size := proto.Size(r); size > MaxBytes {
		add("the request has %d bytes, at most %d are allowed: store large data elsewhere and pass a reference", size, MaxBytes)
	}
	if r.GetCronSchedule() != "" {
		add("the request has the cron schedule %q: make a Temporal schedule whose workflow enqueues, or enqueue from a job of your own", r.GetCronSchedule())
	}
	switch r.GetWorkflowIdConflictPolicy() {
	case enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING:
		add("the request has the conflict policy %s: an item starts a workflow of its own, leave it out and choose what is to happen by onConflict", r.GetWorkflowIdConflictPolicy())
	}
	//lint:ignore SA1019 callers still set it
	if r.GetWorkflowIdReusePolicy() == enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING {
		add("the request has the reuse policy TerminateIfRunning: an item ends no workflow of another")
	}
	if n := len(r.GetCompletionCallbacks()); n > 0 {
		add("the request has %d completion callbacks, which Temporal would call wherever it may call Sluice: leave them out, and have the workflow tell of its end, or ask the queue for it", n)
	}
	for name := range r.GetSearchAttributes().GetIndexedFields() {
		if strings.HasPrefix(name, "Sluice") {
			add("the request sets the search attribute %q: names that begin with Sluice are its own", name)
		}
	}
	return errors.Join(problems...)
}
