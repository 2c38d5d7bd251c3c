package workflows

import "go.temporal.io/sdk/workflow"

// Registry is the part of a worker that takes workflows.
type Registry interface {
	RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions)
}

// RegisterDefault registers what runs on TaskQueueDefault.
func RegisterDefault(r Registry) {
	r.RegisterWorkflowWithOptions(Dispatcher, workflow.RegisterOptions{Name: DispatcherType})
	r.RegisterWorkflowWithOptions(Recovery, workflow.RegisterOptions{Name: RecoveryType})
}

// RegisterWorkspace registers what runs on a workspace's task queue.
func RegisterWorkspace(r Registry) {
	r.RegisterWorkflowWithOptions(Execution, workflow.RegisterOptions{Name: ExecutionType})
}
