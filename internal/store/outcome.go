package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"sluice/internal/bounds"
)

// Outcome is how an execution ended: COMPLETED, FAILED, CANCELLED, TERMINATED or TIMED_OUT.
type Outcome struct {
	ExecutionID uuid.UUID
	RunID       string
	Status      string
	Output      json.RawMessage // may be nil
	Error       json.RawMessage // may be nil
}

// RecordOutcome ends an execution, frees its slot and tells the dispatcher, in one statement. It returns false when
// the execution had ended before: the first outcome stays. An outcome may come before the start was settled, and even
// after the item went back to the queue because its start seemed to have failed: then the item is taken out again.
// ErrUnknownItem says that no such execution exists.
func RecordOutcome(ctx context.Context, db DB, o Outcome) (bool, error) {
	at, err := recordOutcome(ctx, db, o)
	return !at.IsZero(), err
}

// recordOutcome is RecordOutcome, and returns when the execution ended, by the database's clock; the zero time if it had ended before.
func recordOutcome(ctx context.Context, db DB, o Outcome) (at time.Time, err error) {
	o = o.storable()
	for {
		at, err := recordOne(ctx, db, o)
		if err != nil || !at.IsZero() {
			return at, Wrap(err, "record outcome")
		}
		reopened, err := ReopenPending(ctx, db, Run{ExecutionID: o.ExecutionID, RunID: o.RunID})
		if err != nil {
			return at, Wrap(err, "record outcome")
		}
		if reopened {
			continue
		}
		var status *string
		err = db.QueryRow(ctx, whereaboutsSQL, o.ExecutionID).Scan(&status)
		switch {
		case isNone(err):
			err = &RequestError{Kind: ErrUnknownItem, Message: "no execution " + o.ExecutionID.String() + " in this database"}
			return at, Wrap(err, "record outcome")
		case err != nil:
			return at, Wrap(err, "record outcome")
		case *status != "QUEUED" && *status != "CLAIMED" && *status != "RUNNING":
			return at, nil
		}
		// It was claimed or requeued between the statements: look again.
	}
}

var whereaboutsSQL = load("whereabouts", "id")

// recordOne ends one execution that holds a slot. Whatever it has put out, its end must be recorded: data that cannot be
// stored is lost, and the outcome says so.
func recordOne(ctx context.Context, db DB, o Outcome) (at time.Time, err error) {
	_, at, err = endRunning(ctx, db, []Outcome{o}, 0)
	if bare, ok := withoutData(o, err); ok {
		_, at, err = endRunning(ctx, db, []Outcome{bare}, 0)
	}
	return at, err
}

// withoutData returns what can be recorded of an outcome whose output or error the database cannot store. It is false for
// other errors.
func withoutData(o Outcome, err error) (Outcome, bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !isDataException(pg) && !strings.HasPrefix(pg.Code, "54") {
		return o, false
	}
	return o.bare(pg.Message), true
}

// bare is the outcome without its data, and why that is so.
func (o Outcome) bare(why string) Outcome {
	o.Output = nil
	o.Error, _ = json.Marshal(map[string]string{"message": "output or error could not be stored: " + why}) // text can be encoded
	return o
}

// storable is the outcome without data that the database cannot hold, or that is larger there than it may be: a number such as
// 1e99999 takes a few bytes where it was made, and 100 KB as it is printed.
func (o Outcome) storable() Outcome {
	for _, raw := range []json.RawMessage{o.Output, o.Error} {
		if len(raw) == 0 {
			continue
		}
		size, err := bounds.Size(raw)
		if err == nil && size > bounds.MaxOutput {
			err = fmt.Errorf("it has %d bytes with its numbers written out, at most %d are kept", size, bounds.MaxOutput)
		}
		if err != nil {
			return o.bare(err.Error())
		}
	}
	return o
}

var (
	endRunningSQL  = load("end_running", "ids", "statuses", "runs", "outputs", "errors")
	lockTimeoutSQL = load("lock_timeout", "milliseconds")
)

// endRunning ends those executions that hold a slot, in one statement, and tells which, and when if there were any. No execution may be named twice, and
// they come in the order of their ids: by that order each finds what is recorded of it, and in it rows are locked, or two of
// these, or one and a settle, could deadlock. Data that cannot be stored fails all of them, and so does a lock that another
// transaction holds for longer than so many milliseconds; 0 waits for it.
func endRunning(ctx context.Context, db DB, outcomes []Outcome, patience int) (ended []bool, at time.Time, err error) {
	n := len(outcomes)
	ids, statuses, runs := make([]uuid.UUID, n), make([]string, n), make([]string, n)
	outputs, errs := make(pgtype.FlatArray[json.RawMessage], n), make(pgtype.FlatArray[json.RawMessage], n)
	for i, o := range outcomes {
		ids[i], statuses[i], runs[i] = o.ExecutionID, o.Status, o.RunID
		if len(o.Output) > 0 {
			outputs[i] = o.Output
		}
		if len(o.Error) > 0 {
			errs[i] = o.Error
		}
	}
	ended = make([]bool, n)
	b := tuned()
	if patience > 0 {
		b.Queue(lockTimeoutSQL, patience)
	}
	b.Queue(endRunningSQL, ids, statuses, runs, outputs, errs).Query(func(rows pgx.Rows) error {
		var place int
		_, err := pgx.ForEachRow(rows, []any{&place, &at}, func() error {
			ended[place-1] = true
			return nil
		})
		return err
	})
	return ended, at, db.SendBatch(ctx, b).Close()
}

// inOrder returns what is about executions in the order in which every statement that locks many of them does so.
func inOrder[T any](values []T, id func(T) uuid.UUID) []T {
	return slices.SortedFunc(slices.Values(values), func(a, b T) int {
		x, y := id(a), id(b)
		return bytes.Compare(x[:], y[:])
	})
}
