package workflows

import (
	"strings"

	"github.com/google/uuid"
)

// The task queues.
const (
	// TaskQueueDefault serves the dispatcher, recovery and their activities.
	TaskQueueDefault = "workflows.default"
	// TaskQueueExternalAPI serves the activities that call the outside world, with limits of their own.
	TaskQueueExternalAPI = "activities.external-api"
)

const workspaceTaskQueuePrefix = "workflow.workspace."

// WorkspaceTaskQueue is where the executions of one workspace run, and of no other.
func WorkspaceTaskQueue(workspace uuid.UUID) string {
	return workspaceTaskQueuePrefix + workspace.String()
}

// IsWorkspaceTaskQueue tells the workspaces' task queues from the fixed ones.
func IsWorkspaceTaskQueue(name string) bool { return strings.HasPrefix(name, workspaceTaskQueuePrefix) }
