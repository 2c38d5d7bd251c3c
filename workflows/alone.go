package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// standsAlone refuses to be anybody's child: nodes start children, and what a definition says must not act as Sluice itself.
// Definitions that name these types are refused before; this is for what starts children in another way.
func standsAlone(ctx workflow.Context) error {
	info := workflow.GetInfo(ctx)
	if info.ParentWorkflowExecution == nil {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s is a workflow of Sluice itself and runs as no child, not even of %s",
		info.WorkflowType.Name, info.ParentWorkflowExecution.ID), "Refused", nil)
}

// refuseForeign refuses a definition that would reach another workspace; it may have been written past the package admin.
func refuseForeign(in ExecutionInput) error {
	if err := in.Definition.CheckOwner(in.WorkspaceID); err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), "InvalidNode", err)
	}
	return nil
}
