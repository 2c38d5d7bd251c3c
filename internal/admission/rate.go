package admission

import (
	"math"
	"time"
)

// Rate is how often a workspace may start, beside how much it may hold. The zero Rate does not bind.
type Rate struct {
	PerSecond float64
	Burst     int // starts at once after a rest; at least 1
}

// Bucket is a token bucket as it was at a moment; each start takes one token. The zero Bucket is full: nothing has
// been taken from it yet.
type Bucket struct {
	Tokens float64
	At     time.Time
}

// grain forgives what adding fractions loses, or the token that is due now would be due a moment later.
const grain = 1e-6

// tokens is what the bucket holds at a time.
func (r Rate) tokens(b Bucket, now time.Time) float64 {
	if b.At.IsZero() {
		return float64(r.Burst)
	}
	elapsed := max(0, now.Sub(b.At)).Seconds()
	return min(float64(r.Burst), b.Tokens+r.PerSecond*elapsed)
}

// starts is how many starts the rate allows at a time.
func (r Rate) starts(b Bucket, now time.Time) int {
	if r.PerSecond <= 0 {
		return Unlimited
	}
	return max(0, int(r.tokens(b, now)+grain))
}

// wait is how long until the rate allows the next start, from the bucket's own moment on.
func (r Rate) wait(b Bucket) time.Duration {
	missing := 1 - min(float64(r.Burst), b.Tokens)
	return max(time.Millisecond, time.Duration(math.Ceil(missing/r.PerSecond*float64(time.Second))))
}

// take returns the bucket after n starts at a time.
func (r Rate) take(b Bucket, now time.Time, n int) Bucket {
	if r.PerSecond <= 0 {
		return b
	}
	return Bucket{Tokens: max(0, r.tokens(b, now)-float64(n)), At: now}
}

// Left is how many tokens the workspace keeps after n starts at a time.
func (w *Workspace) Left(now time.Time, n int) float64 { return w.take(w.Bucket, now, n).Tokens }
