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

// Until is the bucket as it counts at a time. A clock that was ahead when the tokens were taken says nothing about how long ago
// that is: it counts as just now.
func (b Bucket) Until(now time.Time) Bucket {
	if b.At.After(now) {
		b.At = now
	}
	return b
}

// grain forgives what adding fractions loses, or the token that is due now would be due a moment later.
const grain = 1e-6

// left is what the bucket held at its own moment. What is no number counts as nothing.
func (b Bucket) left() float64 {
	if b.Tokens > 0 {
		return b.Tokens
	}
	return 0
}

// tokens is what the bucket holds at a time.
func (r Rate) tokens(b Bucket, now time.Time) float64 {
	if b.At.IsZero() {
		return float64(r.Burst)
	}
	elapsed := max(0, now.Sub(b.At)).Seconds()
	return min(float64(r.Burst), b.left()+r.PerSecond*elapsed)
}

// starts is how many starts the rate allows at a time.
func (r Rate) starts(b Bucket, now time.Time) int {
	if r.PerSecond <= 0 {
		return Unlimited
	}
	return max(0, int(r.tokens(b, now)+grain))
}

// longestWait is what a longer wait counts as, which a Duration may not hold: there is another look before its end.
const longestWait = 24 * time.Hour

// wait is how long until the rate allows the next start, from the bucket's own moment on, longestWait at most.
func (r Rate) wait(b Bucket) time.Duration {
	missing := 1 - min(float64(r.Burst), b.left())
	wait := min(missing/r.PerSecond*float64(time.Second), float64(longestWait))
	return max(time.Millisecond, time.Duration(math.Ceil(wait)))
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
