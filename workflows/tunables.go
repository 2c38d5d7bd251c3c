package workflows

import (
	"errors"
	"fmt"
	"time"
)

// Tunables are the knobs of a running dispatcher. Zero fields take the default.
type Tunables struct {
	// BatchSize is the most that one cycle claims. Larger is faster and, after a crash in mid-dispatch, more is done
	// again. Defaults to DefaultBatchSize.
	BatchSize int `json:"batchSize"`
	// PollInterval limits what a lost NOTIFY can cost while the dispatcher waits. Defaults to DefaultPollInterval.
	PollInterval Duration `json:"pollInterval"`
	// Spin is how long the loop looks on inside its workflow task before it waits outside; messages wait as long. Defaults to DefaultSpin.
	Spin Duration `json:"spin"`
	// Parallelism is how many starts are in flight at once. Defaults to DefaultParallelism.
	Parallelism int `json:"parallelism"`
	// StartRetry limits the failed starts of one item.
	StartRetry StartRetry `json:"startRetry"`
}

// StartRetry limits the failed starts of one item: those that Temporal has refused, or the definition made impossible.
// Waiting for capacity, and a Temporal that does not answer, cost no attempt.
type StartRetry struct {
	// Attempts is how many starts may fail before the item ends FAILED. Defaults to DefaultStartAttempts.
	Attempts int `json:"attempts"`
	// Backoff is the wait before the second attempt; it doubles each time. Defaults to DefaultStartBackoff.
	Backoff Duration `json:"backoff"`
	// MaxBackoff limits the doubled wait. Defaults to DefaultStartMaxBackoff.
	MaxBackoff Duration `json:"maxBackoff"`
	// Jitter spreads each wait by so many percent to both sides. Defaults to DefaultStartJitter.
	Jitter int `json:"jitter"`
}

// Defaults and limits of the tunables.
const (
	DefaultBatchSize    = 128
	DefaultPollInterval = Duration(time.Second)
	DefaultSpin         = Duration(time.Second)
	DefaultParallelism  = 32

	DefaultStartAttempts   = 3
	DefaultStartBackoff    = Duration(2 * time.Second)
	DefaultStartMaxBackoff = Duration(5 * time.Minute)
	DefaultStartJitter     = 20

	MaxBatchSize    = 1000
	MaxParallelism  = 256
	MinPollInterval = Duration(50 * time.Millisecond)
	MaxPollInterval = Duration(time.Minute)
	MinSpin         = Duration(10 * time.Millisecond)
	MaxSpin         = Duration(2 * time.Second) // well below the workflow task timeout

	MaxStartAttempts = 1000
	MinStartBackoff  = Duration(10 * time.Millisecond)
	MaxStartBackoff  = Duration(24 * time.Hour)
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
	t.StartRetry = t.StartRetry.WithDefaults()
	return t
}

// WithDefaults fills in what is zero.
func (r StartRetry) WithDefaults() StartRetry {
	if r.Attempts == 0 {
		r.Attempts = DefaultStartAttempts
	}
	if r.Backoff == 0 {
		r.Backoff = DefaultStartBackoff
	}
	if r.MaxBackoff == 0 {
		r.MaxBackoff = max(DefaultStartMaxBackoff, r.Backoff)
	}
	if r.Jitter == 0 {
		r.Jitter = DefaultStartJitter
	}
	return r
}

// Validate returns everything that is outside its limits.
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
	r := t.StartRetry
	check(r.Attempts >= 1 && r.Attempts <= MaxStartAttempts, "start attempts must be 1 to %d, not %d", MaxStartAttempts, r.Attempts)
	check(r.Backoff >= MinStartBackoff && r.Backoff <= MaxStartBackoff, "start backoff must be %s to %s, not %s",
		time.Duration(MinStartBackoff), time.Duration(MaxStartBackoff), time.Duration(r.Backoff))
	check(r.MaxBackoff >= r.Backoff && r.MaxBackoff <= MaxStartBackoff, "maximum start backoff must be at least the backoff, %s, and at most %s, not %s",
		time.Duration(r.Backoff), time.Duration(MaxStartBackoff), time.Duration(r.MaxBackoff))
	check(r.Jitter >= 1 && r.Jitter <= 100, "start jitter must be 1 to 100 percent, not %d", r.Jitter)
	return errors.Join(problems...)
}

// Changed returns the tunables with the requested changes, unchecked.
func (t Tunables) Changed(r ConfigureRequest) Tunables {
	set(&t.BatchSize, r.BatchSize)
	set(&t.PollInterval, r.PollInterval)
	set(&t.Spin, r.Spin)
	set(&t.Parallelism, r.Parallelism)
	set(&t.StartRetry.Attempts, r.StartAttempts)
	set(&t.StartRetry.Backoff, r.StartBackoff)
	set(&t.StartRetry.MaxBackoff, r.StartMaxBackoff)
	set(&t.StartRetry.Jitter, r.StartJitter)
	return t
}

func set[T any](field *T, to *T) {
	if to != nil {
		*field = *to
	}
}
