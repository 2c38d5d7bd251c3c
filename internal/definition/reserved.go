package definition

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"sluice/internal/bounds"
)

// MaxNameBytes is what Temporal takes of a workflow type or a task queue.
const MaxNameBytes = 1000

// What no node may name: package workflows has the same names, and a test there compares them. Temporal tells capitals from
// small letters; a name that differs in nothing else is refused as well, because it can only be meant for these.
var (
	ownTypes        = []string{"Dispatcher", "Execution", "Recovery"}
	fixedTaskQueues = []string{"workflows.default", "activities.external-api"}
	// temporalPrefixes begin what belongs to the server and the SDKs. On the task queue temporal-sys-per-ns-tq the server runs
	// workflows with the rights of the whole namespace.
	temporalPrefixes = []string{"/_sys/", "temporal-sys-", "__temporal_"}
)

const workspaceQueuePrefix = "workflow.workspace."

func checkWorkflowType(what, name string) error {
	if foldedIn(ownTypes, name) {
		return fmt.Errorf("%s %q is a type of Sluice itself: name one of your own", what, name)
	}
	return checkTemporalName(what, name)
}

// checkTaskQueue checks what does not depend on the workspace; see CheckOwner.
func checkTaskQueue(what, name string) error {
	if foldedIn(fixedTaskQueues, name) {
		return fmt.Errorf("%s %q is Sluice's own: name one that your workers serve, or leave it out to use the workspace's", what, name)
	}
	return checkTemporalName(what, name)
}

// checkTemporalName checks a name for what the server refuses, or takes for its own.
func checkTemporalName(what, name string) error {
	switch {
	case len(name) > MaxNameBytes:
		return fmt.Errorf("%s %q… has %d bytes, at most %d are allowed", what, name[:40], len(name), MaxNameBytes)
	case name != strings.TrimSpace(name):
		return fmt.Errorf("%s %q must not begin or end with white space", what, name)
	case bounds.Shown(name) != name:
		return fmt.Errorf("%s %q must not hold control characters, nor others that cannot be seen", what, name)
	}
	for _, prefix := range temporalPrefixes {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return fmt.Errorf("%s %q begins with %s, which Temporal reserves for itself", what, name, prefix)
		}
	}
	return nil
}

func foldedIn(names []string, name string) bool {
	return slices.ContainsFunc(names, func(own string) bool { return strings.EqualFold(own, strings.TrimSpace(name)) })
}

// CheckOwner returns what a definition would reach that belongs to another workspace than its own, joined: their task queues.
// Like all of this package it is asked when a definition is applied and again when it is run.
func (d Definition) CheckOwner(workspace uuid.UUID) error {
	var problems []error
	for _, n := range d.Nodes {
		if n.Type != Workflow {
			continue
		}
		config, err := n.Workflow()
		if err != nil {
			continue // it is reported by Parse, and again when the node starts
		}
		if foreign(config.TaskQueue, workspace) {
			problems = append(problems, fmt.Errorf("node %s: config.taskQueue %q is not this workspace's: leave it out to use that", n.Label(), config.TaskQueue))
		}
	}
	return errors.Join(problems...)
}

// TaskQueues are those that nodes name.
func (d Definition) TaskQueues() (queues []string) {
	for _, n := range d.Nodes {
		if n.Type != Workflow {
			continue
		}
		if config, err := n.Workflow(); err == nil && config.TaskQueue != "" {
			queues = append(queues, config.TaskQueue)
		}
	}
	return queues
}

// foreign tells the task queue of another workspace.
func foreign(queue string, workspace uuid.UUID) bool {
	return len(queue) >= len(workspaceQueuePrefix) && strings.EqualFold(queue[:len(workspaceQueuePrefix)], workspaceQueuePrefix) &&
		queue != workspaceQueuePrefix+workspace.String()
}

// CheckWorkflow returns what the workflow of an item may not be: a type, a task queue or an id of Sluice's own, or the task queue of
// another workspace than its own. The id is the one that its caller has given it, if any. sluice.check_workflow asks the same when it is enqueued.
func CheckWorkflow(workspace uuid.UUID, workflowType, taskQueue, id string) error {
	problems := []error{checkWorkflowType("workflow type", workflowType), checkTaskQueue("task queue", taskQueue), checkTemporalName("workflow id", id)}
	if folded := strings.ToLower(id); strings.HasPrefix(folded, "sluice-") || strings.HasPrefix(folded, "execution-") {
		problems = append(problems, fmt.Errorf("workflow id %q begins as those of Sluice itself do: choose another id, or leave it out", id))
	}
	if foreign(taskQueue, workspace) {
		problems = append(problems, fmt.Errorf("task queue %q is not this workspace's: leave it out to use that", taskQueue))
	}
	return errors.Join(problems...)
}
