package store

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What is wrong with a request. Test with errors.Is; the message names the offending value and the remedy.
var (
	ErrUnknownWorkspace   = errors.New("unknown workspace")
	ErrUnknownDefinition  = errors.New("unknown workflow definition")
	ErrForeignDefinition  = errors.New("workflow definition belongs to another workspace")
	ErrTooManyDefinitions = errors.New("too many workflow definitions")
	ErrUnknownPlan        = errors.New("unknown plan")
	ErrUnknownItem        = errors.New("unknown queue item")
	ErrNotRetryable       = errors.New("item cannot be retried")
	ErrInvalid            = errors.New("invalid request")
	ErrBusy               = errors.New("a claim is under way")
	ErrKeyHeld            = errors.New("an item that has not ended holds the unique key")
)

// ErrFenced says that another run of the dispatcher owns the shard: the caller must not go on.
var ErrFenced = errors.New("another dispatcher run has taken over")

// requestErrors maps the SQLSTATEs of schema sluice to the errors above.
var requestErrors = map[string]error{
	"SL001": ErrUnknownWorkspace,
	"SL002": ErrUnknownDefinition,
	"SL003": ErrForeignDefinition,
	"SL004": ErrInvalid,
	"SL005": ErrInvalid,
	"SL006": ErrInvalid,
	"SL007": ErrInvalid,
	"SL009": ErrBusy,
	"SL010": ErrInvalid,
	"SL011": ErrInvalid,
	"SL012": ErrKeyHeld,
	"SL013": ErrInvalid,
	"SL014": ErrInvalid,
}

// RequestError is a refused request: Kind is one of the errors above, Hint says how to mend it and may be empty.
type RequestError struct {
	Kind    error
	Message string
	Hint    string

	cause error // what the database said; nil: it was not asked
}

func (e *RequestError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Unwrap makes errors.Is find the Kind.
func (e *RequestError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.cause}
}

// NoSuchKey says how to mend that no workspace has a key. Whoever gives a workspace's name for its key is told what a key is.
func NoSuchKey(key string) string {
	if _, err := uuid.Parse(key); err == nil {
		return "no workspace has this id or key; list them with: starter workspace list"
	}
	if strings.ContainsFunc(key, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.:@", r)
	}) || len(key) > 100 {
		key = "KEY"
	}
	return "no workspace has this key or id; a name is no key: starter workspace set ID --key " + cmp.Or(key, "KEY")
}

// Invalid returns a RequestError of kind ErrInvalid.
func Invalid(format string, args ...any) error {
	return &RequestError{Kind: ErrInvalid, Message: fmt.Sprintf(format, args...)}
}

// Wrap adds what was being done, and turns the database's refusal of a request into a RequestError.
func Wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && !errors.As(err, new(*RequestError)) {
		if kind, ok := requestErrors[pg.Code]; ok {
			err = &RequestError{Kind: kind, Message: pg.Message, Hint: pg.Hint, cause: pg}
		} else if isDataException(pg) {
			err = &RequestError{Kind: ErrInvalid, Message: pg.Message, Hint: pg.Detail, cause: pg}
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// isDataException tells whether the database cannot hold a value: \u0000 or half a surrogate pair in JSON, bytes that
// are no UTF-8, a number out of range, JSON that is nested too deep or has too many keys, what a check refuses. JSON that Go
// finds valid may be all of these.
func isDataException(pg *pgconn.PgError) bool {
	return strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54") || pg.Code == "23514"
}

// IsForbidden tells whether a client may not do what a statement does itself, because of the role of its connection or because its clock,
// by which it makes ids, is more than an hour ahead.
func IsForbidden(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42501" || pg.Code == "SL015")
}

// ChangedNothing tells whether an error of a transaction says that nothing of it has happened: the database has refused it, or was
// never sent it. After any other, such as a lost connection or a caller that has left, it may have committed.
func ChangedNothing(err error) bool {
	var pg *pgconn.PgError
	switch {
	case errors.As(err, new(*RequestError)), errors.As(err, new(*pgconn.ConnectError)):
		return true
	case pgconn.SafeToRetry(err): // which pgx says, too, where it has closed the connection while it read the answer
		return !errors.Is(err, pgconn.ErrConnClosed)
	case !errors.As(err, &pg):
		return false
	}
	// The end of a session may come between its commit and the answer. With class 08 a pooler says that it has lost the server.
	return cmp.Or(pg.SeverityUnlocalized, pg.Severity) == "ERROR" && !strings.HasPrefix(pg.Code, "08")
}

// IsUnreadable tells that the database has answered with something that this program cannot read, or that a statement met data
// that it cannot compute with. To ask the same again brings the same.
func IsUnreadable(err error) bool {
	var pg *pgconn.PgError
	var scan pgx.ScanArgError
	return errors.As(err, &scan) || errors.As(err, &pg) && isDataException(pg)
}

// isLocked tells a statement that gave up waiting for a lock, or was chosen to break a deadlock.
func isLocked(pg *pgconn.PgError) bool { return pg.Code == "55P03" || pg.Code == "40P01" }
