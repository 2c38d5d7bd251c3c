// Package devtest gives tests real servers: one PostgreSQL and one Temporal dev
// server per test process, started by the first test that asks, shared by all,
// and closed by [Main]. A test process that is killed takes its servers with it
// (see package devstack).
//
// Tests are kept apart by database ([Postgres], [PostgresFrom]) and, where fixed
// workflow ids would meet, by namespace ([Namespace]); within one namespace by
// task-queue names of their own.
//
// The package knows no schema: a test that needs one passes its migration to PostgresFrom.
package devtest

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// Option changes what [Main] does.
type Option func(*options)

type options struct{ afterClose []func() error }

// AfterClose runs check once the servers are closed; an error fails the run. It
// is the place for a goroutine leak check. The check is repeated for a while, because
// goroutines that are about to end take their time on a busy machine.
func AfterClose(check func() error) Option {
	return func(o *options) { o.afterClose = append(o.afterClose, check) }
}

// Main is the whole of a TestMain: it runs the tests, closes the servers they
// started, and exits.
func Main(m *testing.M, opts ...Option) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	code := m.Run()
	errs := []error{closeTemporal(), closePostgres()}
	if code == 0 { // after a failure a leak is to be expected, and would bury the reason
		for _, check := range o.afterClose {
			errs = append(errs, soon(check))
		}
	}
	if err := errors.Join(errs...); err != nil {
		fmt.Fprintln(os.Stderr, "devtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// leakPatience is how long a check may fail before that counts.
const leakPatience = 30 * time.Second

// soon repeats a check until it passes, or returns its last error.
func soon(check func() error) error {
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		if err := check(); err == nil || time.Since(began) > leakPatience {
			return err
		}
	}
}
