package main

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
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

// toFirstTasks is how long each took from being asked for to its first workflow task.
func (s *stack) toFirstTasks(ctx context.Context, all []asked) (took []time.Duration, err error) {
	for _, a := range all {
		task, err := s.tasks.first(ctx, a.workflowID)
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
