package activities

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

// startTimeout limits one start; a start that got no answer in time is asked for again, by the same id.
const startTimeout = 5 * time.Second

// startOptions makes the start of an execution's workflow: all of it derives from durable data, so that a repeated start is
// the same start. It returns a permanent failure when it cannot be started at all.
func startOptions(x dispatch.Execution) (client.StartWorkflowOptions, workflows.ExecutionInput, *store.FailedStart) {
	refuse := func(reason, message string) (client.StartWorkflowOptions, workflows.ExecutionInput, *store.FailedStart) {
		return client.StartWorkflowOptions{}, workflows.ExecutionInput{}, &store.FailedStart{Reason: reason, Error: message, Permanent: true}
	}
	switch {
	case x.WorkspaceName == nil || x.Plan == nil || x.Weight == nil:
		return refuse(reasonWorkspaceGone, "workspace "+x.WorkspaceID.String()+" no longer exists")
	case x.DefinitionName == nil:
		return refuse(reasonDefinitionGone, "workflow definition "+x.DefinitionID.String()+" no longer exists in this workspace")
	case x.VersionID == nil || x.VersionNumber == nil:
		return refuse(reasonVersionGone, "workflow definition "+x.DefinitionID.String()+" has no current version")
	case x.Input == nil:
		return refuse(reasonInputGone, "its input is neither with the item nor in sluice.inputs")
	}
	graph, err := definition.ParseVersion(x.Graph, *x.DefinitionName)
	if err = errors.Join(err, graph.CheckOwner(x.WorkspaceID)); err != nil {
		return refuse(reasonInvalidGraph, fmt.Sprintf("version %d of %s: %v", *x.VersionNumber, *x.DefinitionName, err))
	}
	input := workflows.ExecutionInput{
		ExecutionID: x.ID, WorkspaceID: x.WorkspaceID, Plan: *x.Plan, DefinitionID: x.DefinitionID,
		VersionNumber: *x.VersionNumber, Definition: graph, Input: x.Input,
	}
	if err := workflows.CheckVolume(input); err != nil {
		return refuse(reasonTooLarge, fmt.Sprintf("version %d of %s: %v", *x.VersionNumber, *x.DefinitionName, err))
	}
	return client.StartWorkflowOptions{
		ID:        workflows.ExecutionID(x.ID),
		TaskQueue: workflows.WorkspaceTaskQueue(x.WorkspaceID),
		// Rejecting also closed workflows of this id keeps a late repetition from running the execution again, for as
		// long as the namespace retains them; beyond that the claim in Postgres does.
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowExecutionTimeout:                 time.Duration(graph.Timeout),
		WorkflowTaskTimeout:                      workflows.ExecutionTaskTimeout,
		TypedSearchAttributes:                    workflows.ExecutionAttributes(x.WorkspaceID, *x.Plan, graph.Name, x.ID),
		StaticSummary:                            summary(graph.Name, *x.VersionNumber, *x.WorkspaceName, *x.Plan),
		StaticDetails: fmt.Sprintf("| | |\n|---|---|\n| workspace | %s `%s` |\n| plan | %s |\n| definition | %s v%d, %d nodes |\n| queue item | `%s` |\n",
			*x.WorkspaceName, x.WorkspaceID, *x.Plan, graph.Name, *x.VersionNumber, len(graph.Nodes), x.ID),
		Memo: map[string]any{
			"workspace": *x.WorkspaceName, "definitionId": x.DefinitionID.String(), "version": *x.VersionNumber, "attempt": x.Attempt + 1,
		},
		Priority: temporal.Priority{PriorityKey: x.Priority, FairnessKey: x.WorkspaceID.String(), FairnessWeight: float32(*x.Weight)},
	}, input, nil
}

// summary names an execution in the Web UI. Servers may refuse the start for one of more than 400 bytes, in which a character may have
// six, so long names are cut.
func summary(definition string, version int, workspace, plan string) string {
	const most, cut = 320, 24 // encoded; and characters of a name
	text := fmt.Sprintf("%s v%d for %s (%s)", definition, version, workspace, plan)
	if raw, err := json.Marshal(text); err == nil && len(raw) <= most {
		return text
	}
	short := func(name string) string {
		if runes := []rune(name); len(runes) > cut {
			return string(runes[:cut-1]) + "…"
		}
		return name
	}
	return fmt.Sprintf("%s v%d for %s (%s)", short(definition), version, short(workspace), short(plan))
}
