package workflows

import (
	"encoding/json"

	"github.com/google/uuid"

	"sluice/internal/definition"
)

// CapacityRequest asks who may start how many. The run is the turn with which the dispatcher's run took its shard over. While
// there is nothing to claim or to start, the answer may take as long as Spin.
type CapacityRequest struct {
	Shard     int      `json:"shard"`
	Run       int64    `json:"run"`
	BatchSize int      `json:"batchSize"`
	Spin      Duration `json:"spin,omitempty"`
}

// CapacityReport sums up a plan. The plan itself stays with the worker that has made it.
type CapacityReport struct {
	Items     int            `json:"items,omitempty"`     // that the plan takes
	Unstarted int            `json:"unstarted,omitempty"` // claims that wait for a start, or whose starts are under way
	Waiting   map[string]int `json:"waiting,omitempty"`   // workspaces by reason
	Shards    int            `json:"shards,omitempty"`    // how many there are
}

// ClaimRequest takes what was planned. Repeated, or on another worker, it takes nothing.
type ClaimRequest struct {
	Shard int   `json:"shard"`
	Run   int64 `json:"run"`
}

// ClaimResult counts what is claimed now.
type ClaimResult struct {
	New       int `json:"new,omitempty"`
	Unstarted int `json:"unstarted,omitempty"` // claims that wait for a start, the new ones among them
	Expired   int `json:"expired,omitempty"`
}

// DispatchRequest starts whatever is claimed and not yet started.
type DispatchRequest struct {
	Shard       int   `json:"shard"`
	Run         int64 `json:"run"`
	Parallelism int   `json:"parallelism"`
	// Retry limits failed starts; zero fields take the default.
	Retry StartRetry `json:"retry"`
}

// DispatchResult counts what became of the claims.
type DispatchResult struct {
	Started  int `json:"started,omitempty"`
	Requeued int `json:"requeued,omitempty"`
	Failed   int `json:"failed,omitempty"`
	// Left stay claimed, because Temporal could not be reached for them: the next cycle takes them up, after a pause.
	Left      int    `json:"left,omitempty"`
	LastError string `json:"lastError,omitempty"`
}

// AwaitRequest waits until something can be started, and takes a cycle for it: the steps that the dispatcher's loop takes.
type AwaitRequest struct {
	Shard       int        `json:"shard"`
	Run         int64      `json:"run"`
	BatchSize   int        `json:"batchSize"`
	Poll        Duration   `json:"poll"`
	Parallelism int        `json:"parallelism"`
	Retry       StartRetry `json:"retry"`
}

// AwaitResult says what was done in the cycle that ended the wait; all zero: nothing was to be done.
type AwaitResult struct {
	Capacity   CapacityReport  `json:"capacity"`
	Claimed    ClaimResult     `json:"claimed"`
	Dispatched *DispatchResult `json:"dispatched,omitempty"`
	// Deaf is why the wait could not go on, if Postgres did not answer.
	Deaf string `json:"deaf,omitempty"`
}

// Action is an operator's action for the activity log.
type Action struct {
	Actor   string          `json:"actor"`
	Action  string          `json:"action"`
	Reason  string          `json:"reason,omitempty"`
	Details json.RawMessage `json:"details,omitempty"`
}

// ExecutionInput is all an execution needs to run.
type ExecutionInput struct {
	ExecutionID   uuid.UUID             `json:"executionId"`
	WorkspaceID   uuid.UUID             `json:"workspaceId"`
	Plan          string                `json:"plan"`
	DefinitionID  uuid.UUID             `json:"workflowDefinitionId"`
	VersionNumber int                   `json:"versionNumber"`
	Definition    definition.Definition `json:"definition"`
	Input         json.RawMessage       `json:"input"`
}

// Outcome statuses of an execution.
const (
	StatusCompleted  = "COMPLETED"
	StatusFailed     = "FAILED"
	StatusCancelled  = "CANCELLED"
	StatusTerminated = "TERMINATED"
	StatusTimedOut   = "TIMED_OUT"
)

// ReasonUnserved marks an open execution that no worker carries on: its workflow task, or that of a child, is not taken or fails.
const ReasonUnserved = "unserved"

// Outcome is how an execution ended.
type Outcome struct {
	ExecutionID uuid.UUID       `json:"executionId"`
	RunID       string          `json:"runId"`
	Status      string          `json:"status"`
	Output      json.RawMessage `json:"output,omitempty"`
	Error       *OutcomeError   `json:"error,omitempty"`
}

// OutcomeError is why an execution did not complete.
type OutcomeError struct {
	Message  string     `json:"message"`
	NodeID   *uuid.UUID `json:"nodeId,omitempty"`
	NodeName string     `json:"nodeName,omitempty"`
}

// HTTPRequest is one call of an http node. A body that is the execution's input is a second argument of the activity instead.
type HTTPRequest struct {
	Method  string                       `json:"method"`
	URL     string                       `json:"url"`
	Headers map[string]definition.Header `json:"headers,omitempty"`
	Body    json.RawMessage              `json:"body,omitempty"`
	// IdempotencyKey is the same for every attempt of one node of one execution; sent as the header Idempotency-Key.
	IdempotencyKey string              `json:"idempotencyKey"`
	Timeout        definition.Duration `json:"timeout"` // of an attempt, from when it has a place
	// Retry is kept to by the activity, which knows what was an attempt.
	Retry definition.Retry `json:"retry"`
}

// HTTPResponse is the output of an http node.
type HTTPResponse struct {
	Status    int             `json:"status"`
	Body      json.RawMessage `json:"body,omitempty"` // as it came if it was JSON, else as a JSON string
	Truncated bool            `json:"truncated,omitempty"`
}

// RecoveryRequest says for how long Recovery reconciles, zero: one pass, and whether it then begins anew, for ever.
type RecoveryRequest struct {
	ReconcileFor Duration `json:"reconcileFor,omitempty"`
	GoOn         bool     `json:"goOn,omitempty"`
}

// ReconcileRequest asks for passes, one every so often, for so long; zero: one pass.
type ReconcileRequest struct {
	For   Duration `json:"for,omitempty"`
	Every Duration `json:"every,omitempty"`
}

// RecoveryReport counts what one recovery pass mended.
type RecoveryReport struct {
	Expired  int64 `json:"expired"`
	Orphaned int64 `json:"orphaned"` // items whose workspace is gone
	Released int64 `json:"released"` // stale claims put back
	Settled  int64 `json:"settled"`  // stale claims whose workflow did exist
	Checked  int64 `json:"checked"`  // executions compared with Temporal
	Repaired int64 `json:"repaired"` // those that were found closed, or open without a slot
	Dropped  int64 `json:"dropped"`  // partitions behind the retention
}
