package workflows

import (
	"encoding/json"

	"github.com/google/uuid"

	"sluice/internal/definition"
)

// CapacityRequest asks for the free slots of the shard's workspaces. While there is nothing to claim or to dispatch, the
// answer may take as long as Spin. An epoch of zero stands for any.
type CapacityRequest struct {
	Shard     int       `json:"shard"`
	Epoch     int64     `json:"epoch,omitempty"`
	BatchSize int       `json:"batchSize"`
	Spin      Duration  `json:"spin,omitempty"`
	After     uuid.UUID `json:"after"` // no longer used
}

// CapacityReport says who may start how many, and why the others may not.
type CapacityReport struct {
	Grants  []Grant        `json:"grants,omitempty"`
	Lines   []Line         `json:"lines,omitempty"`   // those that the grants are charged to
	After   uuid.UUID      `json:"after"`             // no longer used
	Waiting map[string]int `json:"waiting,omitempty"` // workspaces by reason
	Mark    string         `json:"mark"`              // the moment it was read, for SpinForWork and AwaitWork
	DueIn   Duration       `json:"dueIn,omitempty"`   // until the next scheduled item is ready; zero: there is none
	Shards  int            `json:"shards,omitempty"`  // how many there are; zero: an earlier version has not asked
	Carried int            `json:"carried,omitempty"` // claims that wait for a dispatch, or whose starts are still under way
}

// Grant allows a workspace up to Slots more starts, decided under Limit.
type Grant struct {
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Slots       int       `json:"slots"`
	Limit       int       `json:"limit"`
}

// Line says how much weight stood in a line when the grants were decided; an empty cohort is that of all outside of one.
type Line struct {
	Cohort   string `json:"cohort,omitempty"`
	Own      int    `json:"own,omitempty"`
	Borrowed int    `json:"borrowed,omitempty"`
}

// ClaimRequest names the cycle that claims; repeated, it claims nothing new.
type ClaimRequest struct {
	Shard  int     `json:"shard"`
	Epoch  int64   `json:"epoch"`
	Cycle  int64   `json:"cycle"`
	Grants []Grant `json:"grants"`
	Lines  []Line  `json:"lines,omitempty"`
}

// ClaimResult counts what is claimed now.
type ClaimResult struct {
	New     int `json:"new"`
	Carried int `json:"carried"` // claimed before and not yet dispatched
	Expired int `json:"expired"`
	// Repeated says that this cycle had been accepted before, up to Newest: this is a step done again.
	Repeated bool  `json:"repeated,omitempty"`
	Newest   int64 `json:"newest,omitempty"`
}

// DispatchRequest starts whatever is claimed and not yet started.
type DispatchRequest struct {
	Shard       int   `json:"shard"`
	Epoch       int64 `json:"epoch"`
	Cycle       int64 `json:"cycle"`
	Parallelism int   `json:"parallelism"`
	// Retry bounds failed starts; zero fields take the default.
	Retry StartRetry `json:"retry"`
}

// DispatchResult counts what became of the claims.
type DispatchResult struct {
	Started  int `json:"started"`
	Requeued int `json:"requeued"`
	Failed   int `json:"failed"`
	// Left stay claimed, because Temporal could not be reached for them: the next cycle takes them up, after a pause.
	Left      int    `json:"left"`
	LastError string `json:"lastError,omitempty"`
}

// SpinRequest waits at most For for the shard's doorbell.
type SpinRequest struct {
	Shard int      `json:"shard,omitempty"`
	Mark  string   `json:"mark"`
	For   Duration `json:"for"`
}

// AwaitRequest parks until the doorbell rings or DueIn has passed; zero means no due time. What has come then is claimed
// and started in the cycle that is given; nil: an earlier version does that in its next one.
type AwaitRequest struct {
	Shard int          `json:"shard"`
	Mark  string       `json:"mark"`
	DueIn Duration     `json:"dueIn,omitempty"`
	Poll  Duration     `json:"poll"`
	Cycle *ParkedCycle `json:"cycle,omitempty"`
}

// ParkedCycle is the cycle in which a parked dispatcher claims what wakes it.
type ParkedCycle struct {
	Epoch       int64      `json:"epoch"`
	Cycle       int64      `json:"cycle"`
	BatchSize   int        `json:"batchSize"`
	Parallelism int        `json:"parallelism"`
	Retry       StartRetry `json:"retry"`
}

// AwaitResult says what was done about whatever ended the wait; all zero: nothing yet.
type AwaitResult struct {
	Claimed    ClaimResult     `json:"claimed"`
	Dispatched *DispatchResult `json:"dispatched,omitempty"`
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

// ReasonUnserved marks an open execution whose workflow task no worker takes.
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

// HTTPRequest is one call of an http node.
type HTTPRequest struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    json.RawMessage   `json:"body,omitempty"`
	// IdempotencyKey is the same for every attempt of one node of one execution; sent as the header Idempotency-Key.
	IdempotencyKey string `json:"idempotencyKey"`
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
	Expired   int64 `json:"expired"`
	Orphaned  int64 `json:"orphaned"`  // items whose workspace is gone
	Released  int64 `json:"released"`  // stale claims put back
	Settled   int64 `json:"settled"`   // stale claims whose workflow did exist
	Checked   int64 `json:"checked"`   // executions compared with Temporal
	Repaired  int64 `json:"repaired"`  // those that were found closed, or open without a slot
	BellsAged int64 `json:"bellsAged"` // doorbell rows deleted
}
