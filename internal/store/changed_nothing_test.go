package store_test

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"sluice/internal/alive"
	"sluice/internal/store"
)

// retryable is an error that pgx calls safe to retry.
type retryable struct{ error }

func (r retryable) Unwrap() error   { return r.error }
func (retryable) SafeToRetry() bool { return true }

func TestAnErrorTellsWhetherNothingHasHappened(t *testing.T) {
	t.Parallel()
	of := func(severity, code string) error { return &pgconn.PgError{Severity: severity, Code: code} }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"refused":                       {store.Wrap(of("ERROR", "SL004"), "enqueue"), true},
		"refused here":                  {store.Invalid("no"), true},
		"not serialised":                {of("ERROR", "40001"), true},
		"cancelled":                     {of("ERROR", "57014"), true},
		"refused in another language":   {&pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: "42501"}, true},
		"not connected":                 {&pgconn.ConnectError{}, true},
		"not sent":                      {retryable{context.Canceled}, true},
		"ended before it was sent":      {retryable{of("FATAL", "57P01")}, true},
		"no error of the database":      {fmt.Errorf("enqueue: %w", context.Canceled), false},
		"the session was ended":         {of("FATAL", "57P01"), false},
		"the server crashes":            {of("PANIC", "XX000"), false},
		"a pooler has lost the server":  {of("ERROR", "08P01"), false},
		"half-open":                     {fmt.Errorf("enqueue: %w", alive.ErrLost), false},
		"closed":                        {io.ErrUnexpectedEOF, false},
		"closed while the batch ended":  {retryable{pgconn.ErrConnClosed}, false},
		"the answer could not be read":  {fmt.Errorf("can't scan into dest[0]"), false},
		"in doubt, and the time is up":  {fmt.Errorf("%w: %w", store.ErrDoubtful, context.DeadlineExceeded), false},
		"ended, in words of the server": {&pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P05"}, false},
	} {
		require.Equal(t, tt.want, store.ChangedNothing(tt.err), name)
	}
}

func TestOnlyAStatementIsRefused(t *testing.T) {
	t.Parallel()
	of := func(severity, code string) error { return &pgconn.PgError{Severity: severity, Code: code} }
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"a key that is taken":        {store.Wrap(of("ERROR", "23505"), "claim"), true},
		"a damaged row":              {of("ERROR", "XX001"), true},
		"in another language":        {&pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: "P0001"}, true},
		"a full disk":                {of("ERROR", "53100"), false},
		"the pooler has no place":    {fmt.Errorf("claim: %w", of("FATAL", "XX000")), false},
		"the server goes down":       {of("PANIC", "XX000"), false},
		"the session is being ended": {of("FATAL", "57P01"), false},
		"no error of the database":   {io.ErrUnexpectedEOF, false},
	} {
		require.Equal(t, tt.want, store.IsRefusal(tt.err), name)
	}
}
