package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// asked is a workflow and when somebody began to ask for it.
type asked struct {
	workflowID string
	at         time.Time
}

// plainly starts the workflow without Sluice, in the workspace of this place. Postgres does not know the execution, so
// that its outcome wakes nobody.
func (s *stack) plainly(ctx context.Context, place int) (asked, error) {
	id := uuid.New()
	a := asked{"plain-" + id.String(), time.Now()}
	return a, s.plain(ctx, a.workflowID, id, place)
}

// toFirstTasks is how long each took from being asked for to its first workflow task. It is looked up when all is over,
// so that looking costs nobody anything.
func (s *stack) toFirstTasks(ctx context.Context, all []asked) (took []time.Duration, err error) {
	for _, a := range all {
		task, err := s.firstTask(ctx, a.workflowID)
		if err != nil {
			return nil, err
		}
		took = append(took, task.Sub(a.at))
	}
	return took, nil
}

// plain starts the workflow of an execution as a client without Sluice would: by a workflow id of its own, on the task
// queue of the workspace of this place, with the input that Sluice would give it.
func (s *stack) plain(ctx context.Context, workflowID string, execution uuid.UUID, place int) error {
	place %= len(s.workspaces)
	options := client.StartWorkflowOptions{ID: workflowID, TaskQueue: workflows.WorkspaceTaskQueue(s.workspaces[place])}
	_, err := s.client.ExecuteWorkflow(ctx, options, workflows.ExecutionType, workflows.ExecutionInput{
		ExecutionID: execution, WorkspaceID: s.workspaces[place], Plan: plan, DefinitionID: s.definitions[place], VersionNumber: 1,
		Definition: s.graph, Input: smallInput,
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", workflowID, err)
	}
	return nil
}

// firstTask is when a workflow's first task was given to a worker, by the clock of Temporal, which is that of this
// machine. It waits for it.
func (s *stack) firstTask(ctx context.Context, workflowID string) (time.Time, error) {
	history := s.client.GetWorkflowHistory(ctx, workflowID, "", true, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			return time.Time{}, fmt.Errorf("read the history of %s: %w", workflowID, err)
		}
		if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
			return event.GetEventTime().AsTime(), nil
		}
	}
	return time.Time{}, fmt.Errorf("read the history of %s: %w", workflowID, io.ErrUnexpectedEOF)
}
