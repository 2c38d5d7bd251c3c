package connect

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Wait says how long a server may take to answer.
type Wait struct {
	// Patience is how long to retry; zero means one attempt.
	Patience time.Duration
	// Notify is told at the first failure and every few seconds from then on. It may be nil.
	Notify func(message string)
}

const (
	firstPause     = 50 * time.Millisecond
	longestPause   = time.Second
	attemptTimeout = 5 * time.Second // a packet filter that drops everything must not use up the patience without a notice
	notifyEvery    = 5 * time.Second
)

// Error is a server that could not be used. Its text names the server, its address, the reason and the remedy.
type Error struct {
	Server  string // "Postgres" or "Temporal"
	Address string // host:port, or the path of a socket; empty when it could not be read
	Reason  string
	Remedy  string
	Err     error // the last attempt's error; its text is not part of this one's, because it may hold secrets
}

// Error implements error.
func (e *Error) Error() string {
	at := ""
	if e.Address != "" {
		at = " at " + e.Address
	}
	return fmt.Sprintf("cannot use %s%s: %s; %s", e.Server, at, e.Reason, e.Remedy)
}

// Unwrap returns the last attempt's error.
func (e *Error) Unwrap() error { return e.Err }

// failure is what one attempt found out. A final one is not tried again.
type failure struct {
	reason, remedy string
	final          bool
	err            error
}

// until repeats the attempt until it succeeds, fails for good, or the patience is over.
func (w Wait) until(ctx context.Context, server, address string, attempt func(context.Context) *failure) error {
	started := time.Now()
	pause := firstPause
	var notified time.Time
	for {
		limited, cancel := context.WithTimeout(ctx, w.attemptTimeout(started))
		failed := attempt(limited)
		cancel()
		if failed == nil {
			return nil
		}
		err := &Error{Server: server, Address: address, Reason: failed.reason, Remedy: failed.remedy, Err: failed.err}
		if errors.Is(ctx.Err(), context.Canceled) {
			return fmt.Errorf("connect to %s at %s: %w", server, address, ctx.Err())
		}
		if failed.final || ctx.Err() != nil || time.Since(started)+pause > w.Patience {
			return err
		}
		if w.Notify != nil && time.Since(notified) >= notifyEvery {
			notified = time.Now()
			w.Notify(fmt.Sprintf("waiting for %s at %s: %s", server, address, failed.reason))
		}
		select {
		case <-ctx.Done():
			continue // the next attempt cannot succeed and ends the loop
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// attemptTimeout is what is left of the patience, within reason.
func (w Wait) attemptTimeout(started time.Time) time.Duration {
	left := w.Patience - time.Since(started)
	return min(max(left, time.Second), attemptTimeout)
}

// Reason is the bare reason of an error of either server, in one line, for people: "connection refused". Nil for nil.
func Reason(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &pg):
		return errors.New(pg.Message)
	case status.Code(err) == codes.DeadlineExceeded:
		return errors.New("no answer in time")
	}
	if reason := grpcReason(err); reason != "" {
		return errors.New(strings.ReplaceAll(reason, "\n", "; "))
	}
	return err
}
