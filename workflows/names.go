package workflows

import (
	"strconv"
	"strings"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"
)

// Workflow types.
const (
	DispatcherType = "Dispatcher"
	ExecutionType  = "Execution"
	RecoveryType   = "Recovery"
)

// Workflow and schedule ids. There is one dispatcher of a shard because there can be one open workflow of an id.
const (
	DispatcherID       = "sluice-dispatcher" // of shard 0, and of all workspaces unless there are more shards
	RecoveryID         = "sluice-recovery"
	RecoveryScheduleID = "sluice-recovery"
)

// ShardID is the workflow id of the dispatcher of a shard.
func ShardID(shard int) string {
	if shard == 0 {
		return DispatcherID
	}
	return DispatcherID + "/" + strconv.Itoa(shard)
}

// IsOwnID tells whether an id is one under which Sluice runs workflows of its type Dispatcher or Recovery. What a schedule starts has the
// time added to its id.
func IsOwnID(workflowType, id string) bool {
	switch workflowType {
	case DispatcherType:
		shard, err := strconv.Atoi(strings.TrimPrefix(id, DispatcherID+"/"))
		return id == DispatcherID || err == nil && shard > 0 && id == ShardID(shard)
	case RecoveryType:
		return id == RecoveryID || strings.HasPrefix(id, RecoveryID+"-")
	}
	return false
}

// ExecutionID is the workflow id of an execution. It derives from durable data only, so a repeated start finds the
// first one.
func ExecutionID(execution uuid.UUID) string { return executionPrefix + execution.String() }

const executionPrefix = "execution-"

// ParseExecutionID is the inverse of ExecutionID; false says that a workflow id is no execution's.
func ParseExecutionID(workflowID string) (uuid.UUID, bool) {
	text, ok := strings.CutPrefix(workflowID, executionPrefix)
	if !ok {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(text)
	return id, err == nil && ExecutionID(id) == workflowID
}

// Search attributes of executions, all of type Keyword. `starter start` registers them.
const (
	AttributeWorkspace  = "SluiceWorkspaceId"
	AttributePlan       = "SluicePlan"
	AttributeDefinition = "SluiceDefinition"
	AttributeQueueItem  = "SluiceQueueItemId"
)

// SearchAttributes are the names that a namespace must know before it can hold executions.
func SearchAttributes() []string {
	return []string{AttributeWorkspace, AttributePlan, AttributeDefinition, AttributeQueueItem}
}

// SearchAttributeTypes are the types of SearchAttributes, as the Temporal CLI writes them.
func SearchAttributeTypes() map[string]string {
	types := map[string]string{}
	for _, name := range SearchAttributes() {
		types[name] = "Keyword"
	}
	return types
}

// ExecutionAttributes are the values an execution carries.
func ExecutionAttributes(workspace uuid.UUID, plan, definition string, queueItem uuid.UUID) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword(AttributeWorkspace).ValueSet(workspace.String()),
		temporal.NewSearchAttributeKeyKeyword(AttributePlan).ValueSet(plan),
		temporal.NewSearchAttributeKeyKeyword(AttributeDefinition).ValueSet(definition),
		temporal.NewSearchAttributeKeyKeyword(AttributeQueueItem).ValueSet(queueItem.String()),
	)
}

// Activity types, by which workers register them.
const (
	ActivityTakeOver           = "TakeOver"
	ActivityRetire             = "Retire"
	ActivityCheckCapacity      = "CheckCapacity"
	ActivityClaimExecutions    = "ClaimExecutions"
	ActivityDispatchExecutions = "DispatchExecutions"
	ActivityAwaitWork          = "AwaitWork"
	ActivityLogAction          = "LogAction"
	ActivityRecordOutcome      = "RecordOutcome"
	ActivityCallHTTP           = "CallHTTP"
	ActivitySweep              = "Sweep"
	ActivityReleaseStaleClaims = "ReleaseStaleClaims"
	ActivityReconcile          = "Reconcile"
)

// Types of application errors.
const (
	ErrorFenced  = "Fenced"  // another run of the dispatcher owns the shard
	ErrorRefused = "Refused" // what called is not the workflow that may
)
