package activities

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
	"sluice/queue"
	"sluice/workflows"
)

// startTimeout bounds one start; a start that got no answer in time is asked for again, by the same id.
const startTimeout = 5 * time.Second

// startOptions makes the start of a claim's workflow: all of it derives from durable data, so that a repeated start is
// the same start. It returns a permanent failure when the claim cannot be started at all.
func startOptions(c queue.Claim) (client.StartWorkflowOptions, workflows.ExecutionInput, *queue.FailedStart) {
	refuse := func(reason, message string) (client.StartWorkflowOptions, workflows.ExecutionInput, *queue.FailedStart) {
		return client.StartWorkflowOptions{}, workflows.ExecutionInput{}, &queue.FailedStart{Reason: reason, Error: message, Permanent: true}
	}
	switch {
	case c.WorkspaceName == nil || c.Plan == nil || c.Weight == nil:
		return refuse(reasonWorkspaceGone, "workspace "+c.WorkspaceID.String()+" no longer exists")
	case c.DefinitionName == nil:
		return refuse(reasonDefinitionGone, "workflow definition "+c.DefinitionID.String()+" no longer exists")
	case c.VersionID == nil || c.VersionNumber == nil:
		return refuse(reasonVersionGone, "workflow definition "+c.DefinitionID.String()+" has no current version in this workspace")
	}
	graph, err := definition.ParseVersion(c.Workflow, *c.DefinitionName)
	if err != nil {
		return refuse(reasonInvalidGraph, fmt.Sprintf("version %d of %s: %v", *c.VersionNumber, *c.DefinitionName, err))
	}
	input := workflows.ExecutionInput{
		ExecutionID: c.ExecutionID, WorkspaceID: c.WorkspaceID, Plan: *c.Plan, DefinitionID: c.DefinitionID,
		VersionNumber: *c.VersionNumber, Definition: graph, Input: c.Input,
	}
	return client.StartWorkflowOptions{
		ID:        workflows.ExecutionID(c.ExecutionID),
		TaskQueue: workflows.WorkspaceTaskQueue(c.WorkspaceID),
		// Rejecting also closed workflows of this id keeps a late repetition from running the execution again, for as
		// long as the namespace retains them; beyond that the claim in Postgres does.
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowExecutionTimeout:                 time.Duration(graph.Timeout),
		TypedSearchAttributes:                    workflows.ExecutionAttributes(c.WorkspaceID, *c.Plan, graph.Name, c.ExecutionID),
		StaticSummary:                            fmt.Sprintf("%s v%d for %s (%s)", graph.Name, *c.VersionNumber, *c.WorkspaceName, *c.Plan),
		StaticDetails: fmt.Sprintf("| | |\n|---|---|\n| workspace | %s `%s` |\n| plan | %s |\n| definition | %s v%d, %d nodes |\n| queue item | `%s` |\n",
			*c.WorkspaceName, c.WorkspaceID, *c.Plan, graph.Name, *c.VersionNumber, len(graph.Nodes), c.ExecutionID),
		Memo: map[string]any{
			"workspace": *c.WorkspaceName, "definitionId": c.DefinitionID.String(), "version": *c.VersionNumber, "attempt": c.Attempt + 1,
		},
		Priority: temporal.Priority{PriorityKey: c.Priority, FairnessKey: c.WorkspaceID.String(), FairnessWeight: float32(*c.Weight)},
	}, input, nil
}
