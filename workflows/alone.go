package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// standsAlone refuses to be anybody's child: nodes start children, and what a definition says must not act as Sluice itself.
// Definitions that name these types are refused before; this is for what starts children in another way. What a workflow continues as has no
// parent, and its own id: the activities of these types look at that, and the types end when they are refused.
func standsAlone(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if info.ParentWorkflowExecution == nil {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is a workflow of Sluice itself and runs as no child, not even of %s",
		info.WorkflowType.Name, info.ParentWorkflowExecution.ID), ErrorRefused, nil)
}

// beginsAnew refuses to go on for another run: a workflow of a caller's own that continues as an execution holds its item's slot until its whole
// chain ends, and a retry policy of its own would start more runs after the one that has recorded an end.
func beginsAnew(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if info.ContinuedExecutionRunID == "" {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is a workflow of Sluice itself and continues no other, not even run %s",
		info.WorkflowType.Name, info.ContinuedExecutionRunID), ErrorRefused, nil)
}

// refuseForeign refuses a definition that would reach another workspace; it may have been written past the package admin.
func refuseForeign(in ExecutionInput) error {
	if err := in.Definition.CheckOwner(in.WorkspaceID); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), "InvalidNode", err)
	}
	return nil
}

// isRefused tells whether a step was refused because this is not the workflow that may take it.
func isRefused(err error) bool {
	var refused *temporal.ApplicationError
	return errors.As(err, &refused) && refused.Type() == ErrorRefused
}
