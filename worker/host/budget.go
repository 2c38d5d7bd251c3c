package host

// Concurrent long polls of the workers. Two workflow pollers are the SDK's least: one of them waits on the sticky queue.
const (
	defaultWorkflowPollers = 4
	defaultActivityPollers = 4
	externalPollers        = 4
	fixedPolls             = defaultWorkflowPollers + defaultActivityPollers + externalPollers

	workspaceWorkflowPollers = 2
	workspaceActivityPollers = 1
)

// LeastPollBudget is what a host needs for one workspace at a time, without activities of the user's own.
const LeastPollBudget = fixedPolls + workspaceWorkflowPollers

// workspacePolls is what one workspace worker takes of the poll budget.
func (c Config) workspacePolls() int {
	if c.RegisterActivities == nil {
		return workspaceWorkflowPollers
	}
	return workspaceWorkflowPollers + workspaceActivityPollers
}

// workspaceLimit is how many workspace workers fit into the poll budget at once.
func (c Config) workspaceLimit() int { return (c.PollBudget - fixedPolls) / c.workspacePolls() }
