package workflows

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// State is the dispatcher's input and all that survives continue-as-new. It stays small (about 1 KB): the backlog and
// the running set are Postgres' to know.
type State struct {
	Shard    int      `json:"shard"`
	Cycle    int64    `json:"cycle"` // grows for ever, across runs
	Pause    *Pause   `json:"pause,omitempty"`
	Tunables Tunables `json:"tunables"`
	Totals   Totals   `json:"totals"`
	// After is the workspace that was served last: the next cycle's deal begins behind it.
	After       uuid.UUID      `json:"after"`
	Waiting     map[string]int `json:"waiting,omitempty"`
	LastError   string         `json:"lastError,omitempty"`
	LastErrorAt *time.Time     `json:"lastErrorAt,omitempty"`
	LastWork    *time.Time     `json:"lastWork,omitempty"`
	// ContinueEvery makes each run end after so many cycles; zero leaves it to the server's suggestion. For tests.
	ContinueEvery int64 `json:"continueEvery,omitempty"`
}

// Pause says who stopped admission, when and why.
type Pause struct {
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// Totals count since the dispatcher was first started.
type Totals struct {
	Claimed  int64 `json:"claimed"`
	Started  int64 `json:"started"`
	Requeued int64 `json:"requeued"` // starts that failed and will be tried again
	Failed   int64 `json:"failed"`   // items that ended FAILED
	Expired  int64 `json:"expired"`
}

// Tunables are the knobs of a running dispatcher. Zero fields take the default.
type Tunables struct {
	// BatchSize is the most that one cycle claims. Larger is faster and, after a crash in mid-dispatch, more is done
	// again. Defaults to DefaultBatchSize.
	BatchSize int `json:"batchSize"`
	// PollInterval bounds what a lost NOTIFY can cost while parked. Defaults to DefaultPollInterval.
	PollInterval Duration `json:"pollInterval"`
	// Spin is how long the loop waits inside its workflow task before it parks; messages wait as long. Defaults to DefaultSpin.
	Spin Duration `json:"spin"`
	// Parallelism is how many starts are in flight at once. Defaults to DefaultParallelism.
	Parallelism int `json:"parallelism"`
}

// Defaults and limits of the tunables.
const (
	DefaultBatchSize    = 128
	DefaultPollInterval = Duration(time.Second)
	DefaultSpin         = Duration(time.Second)
	DefaultParallelism  = 32

	MaxBatchSize    = 1000
	MaxParallelism  = 256
	MinPollInterval = Duration(50 * time.Millisecond)
	MaxPollInterval = Duration(time.Minute)
	MinSpin         = Duration(10 * time.Millisecond)
	MaxSpin         = Duration(2 * time.Second) // well below the workflow task timeout
)

// WithDefaults fills in what is zero.
func (t Tunables) WithDefaults() Tunables {
	if t.BatchSize == 0 {
		t.BatchSize = DefaultBatchSize
	}
	if t.PollInterval == 0 {
		t.PollInterval = DefaultPollInterval
	}
	if t.Spin == 0 {
		t.Spin = DefaultSpin
	}
	if t.Parallelism == 0 {
		t.Parallelism = DefaultParallelism
	}
	return t
}

// Validate returns everything that is out of bounds.
func (t Tunables) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(t.BatchSize >= 1 && t.BatchSize <= MaxBatchSize, "batch size must be 1 to %d, not %d", MaxBatchSize, t.BatchSize)
	check(t.Parallelism >= 1 && t.Parallelism <= MaxParallelism, "parallelism must be 1 to %d, not %d", MaxParallelism, t.Parallelism)
	check(t.PollInterval >= MinPollInterval && t.PollInterval <= MaxPollInterval, "poll interval must be %s to %s, not %s",
		time.Duration(MinPollInterval), time.Duration(MaxPollInterval), time.Duration(t.PollInterval))
	check(t.Spin >= MinSpin && t.Spin <= MaxSpin, "spin must be %s to %s, not %s", time.Duration(MinSpin), time.Duration(MaxSpin), time.Duration(t.Spin))
	return errors.Join(problems...)
}

// changed returns the tunables with the requested changes, unchecked.
func (t Tunables) changed(r ConfigureRequest) Tunables {
	if r.BatchSize != nil {
		t.BatchSize = *r.BatchSize
	}
	if r.PollInterval != nil {
		t.PollInterval = *r.PollInterval
	}
	if r.Spin != nil {
		t.Spin = *r.Spin
	}
	if r.Parallelism != nil {
		t.Parallelism = *r.Parallelism
	}
	return t
}
