package workflows

import (
	"time"

	"sluice/internal/definition"
)

// Duration is a time.Duration that reads "1s" in JSON, so that people can write it in the Web UI.
type Duration = definition.Duration

// Query and update names of the dispatcher.
const (
	QueryStatus     = "status"    // () → Status
	UpdatePause     = "pause"     // PauseRequest → Status; refused when paused already
	UpdateResume    = "resume"    // ResumeRequest → Status; refused when not paused
	UpdateConfigure = "configure" // ConfigureRequest → Status; refused outside the limits
	UpdateStop      = "stop"      // StopRequest → Status; the workflow completes when the cycle under way is done
)

// PauseRequest stops admission: nothing new starts, what runs goes on.
type PauseRequest struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason,omitempty"`
}

// ResumeRequest ends a pause.
type ResumeRequest struct {
	Actor string `json:"actor"`
}

// StopRequest ends the dispatcher.
type StopRequest struct {
	Actor  string `json:"actor"`
	Reason string `json:"reason,omitempty"`
}

// ConfigureRequest changes the tunables that are not nil.
type ConfigureRequest struct {
	Actor        string    `json:"actor"`
	BatchSize    *int      `json:"batchSize,omitempty"`
	PollInterval *Duration `json:"pollInterval,omitempty"`
	Spin         *Duration `json:"spin,omitempty"`
	Parallelism  *int      `json:"parallelism,omitempty"`

	StartAttempts   *int      `json:"startAttempts,omitempty"`
	StartBackoff    *Duration `json:"startBackoff,omitempty"`
	StartMaxBackoff *Duration `json:"startMaxBackoff,omitempty"`
	StartJitter     *int      `json:"startJitter,omitempty"`
}

func (r ConfigureRequest) empty() bool { return r == ConfigureRequest{Actor: r.Actor} }

// Phase says what the dispatcher is doing.
type Phase string

// The phases.
const (
	PhaseDispatching Phase = "dispatching"
	PhaseWaiting     Phase = "waiting"     // nothing can be started; it waits for something to happen
	PhasePaused      Phase = "paused"      // by an operator
	PhaseBackingOff  Phase = "backing-off" // after an error, see LastError
	PhaseStopping    Phase = "stopping"
)

// Status is the answer to the status query and to each update.
type Status struct {
	Phase    Phase    `json:"phase"`
	Shard    int      `json:"shard"`
	Shards   int      `json:"shards,omitempty"` // how many there were when it last looked; zero: it has not looked yet
	Run      int64    `json:"run"`              // the turn with which it took its shard over; zero: it has not yet
	Cycle    int64    `json:"cycle"`
	Pause    *Pause   `json:"pause,omitempty"`
	Tunables Tunables `json:"tunables"`
	// Batch is what a cycle claims at present, while Temporal cannot take Tunables.BatchSize; zero: it can.
	Batch  int    `json:"batch,omitempty"`
	Totals Totals `json:"totals"`
	// Waiting counts the workspaces whose ready items wait, by reason.
	Waiting     map[string]int `json:"waiting,omitempty"`
	LastError   string         `json:"lastError,omitempty"`
	LastErrorAt *time.Time     `json:"lastErrorAt,omitempty"`
	LastWork    *time.Time     `json:"lastWork,omitempty"` // when something was last dispatched
}
