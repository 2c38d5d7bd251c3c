package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ClaimRequest names the items that a plan takes, and the turn in which it takes them.
type ClaimRequest struct {
	Shard    int
	Turn     int64       // the one after the last that the plan knows of
	Items    []uuid.UUID // in order
	Versions []uuid.UUID // of their definitions; nil where there is none
	Now      time.Time   // of the plan
	Rated    []uuid.UUID // the workspaces among them whose starts are rated, and the tokens they keep
	Tokens   []float64
	Until    time.Time // the plan holds; zero: for ever
}

// Claimed is an item that a claim has taken. It holds a slot.
type Claimed struct {
	ID       uuid.UUID
	Input    []byte
	Attempt  int       // failed starts so far
	Workflow *Workflow // nil: it is a definition
}

// ClaimResult is what a claim has done.
type ClaimResult struct {
	Taken bool // false: the turn was taken, and nothing was done
	At    time.Time
	Items []Claimed
}

var claimSQL = load("claim", "shard", "turn", "ids", "versions", "now", "rated", "tokens", "valid_until")

// QueueClaim adds a claim to a batch. It changes nothing unless its turn is free.
func QueueClaim(b *pgx.Batch, r ClaimRequest, result *ClaimResult) {
	rated, tokens := r.Rated, r.Tokens
	if rated == nil {
		rated, tokens = []uuid.UUID{}, []float64{}
	}
	var until *time.Time
	if !r.Until.IsZero() {
		until = &r.Until
	}
	b.Queue(claimSQL, r.Shard, r.Turn, r.Items, r.Versions, r.Now, rated, tokens, until).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var id *uuid.UUID
			var input []byte
			var attempt *int
			var w claimedWorkflow
			if err := rows.Scan(&result.At, &id, &input, &attempt, &w.kind, &w.queue, &w.id, &w.request); err != nil {
				return err
			}
			result.Taken = true
			if id != nil {
				result.Items = append(result.Items, Claimed{ID: *id, Input: input, Attempt: *attempt, Workflow: w.workflow()})
			}
		}
		return rows.Err()
	})
}

// claimedWorkflow is what the columns of an item say of its workflow.
type claimedWorkflow struct {
	kind, queue, id *string
	request         []byte
}

func (w claimedWorkflow) workflow() *Workflow {
	if w.kind == nil {
		return nil
	}
	return &Workflow{Type: *w.kind, TaskQueue: orZero(w.queue), ID: orZero(w.id), Request: w.request}
}

// Missing is an item that a claim did not get although it is there.
type Missing struct {
	ID      uuid.UUID
	Expired bool // its time is over; otherwise another transaction holds it, or it has another place
	// Its place in the lines of its workspace.
	Priority    int
	AvailableAt time.Time
}

var missingSQL = load("missing", "ids")

// FindMissing returns those of the items that are pending still.
func FindMissing(ctx context.Context, db DB, ids []uuid.UUID) ([]Missing, error) {
	rows, err := db.Query(ctx, missingSQL, ids)
	if err != nil {
		return nil, Wrap(err, "look for items that were not claimed")
	}
	missing, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m Missing, err error) {
		err = row.Scan(&m.ID, &m.Expired, &m.Priority, finite{&m.AvailableAt})
		return m, err
	})
	return missing, Wrap(err, "look for items that were not claimed")
}

// Execution is an item that holds a slot and waits for its workflow to be started.
type Execution struct {
	ID             uuid.UUID
	WorkspaceID    uuid.UUID
	WorkspaceName  *string // nil: the workspace is gone
	Plan           *string
	Weight         *int
	DefinitionID   uuid.UUID
	DefinitionName *string // nil: the definition is gone
	VersionID      *uuid.UUID
	VersionNumber  *int
	Input          []byte
	Priority       int
	Attempt        int       // failed starts so far
	Aside          bool      // its last start has got no answer
	Workflow       *Workflow // nil: it is a definition
}

var undispatchedSQL = load("undispatched", "shard", "most")

// Undispatched returns what is claimed and not known to be started of a shard's workspaces, and due, whichever run claimed it:
// oldest claim first, and last those whose starts have got no answer.
func Undispatched(ctx context.Context, db DB, shard, most int) ([]Execution, error) {
	rows, err := db.Query(ctx, undispatchedSQL, shard, most)
	if err != nil {
		return nil, Wrap(err, "read undispatched claims")
	}
	executions, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Execution, err error) {
		var w claimedWorkflow
		err = row.Scan(&e.ID, &e.WorkspaceID, &e.WorkspaceName, &e.Plan, &e.Weight, &e.DefinitionID, &e.DefinitionName, &e.VersionID,
			&e.VersionNumber, &e.Input, &e.Priority, &e.Attempt, &e.Aside, &w.kind, &w.queue, &w.id, &w.request)
		e.Workflow = w.workflow()
		return e, err
	})
	return executions, Wrap(err, "read undispatched claims")
}

// Started says that the workflow of an execution exists.
type Started struct {
	ExecutionID uuid.UUID
	RunID       string
}

var settleSQL = load("settle", "ids", "runs")

// Settle records that workflows exist. It needs no turn, because it records a fact; an outcome that came first stays. If
// Postgres loses it in a crash, the executions are started again, and found started. One that the database refuses does not
// keep the others from being settled.
func Settle(ctx context.Context, db DB, started []Started) error {
	if len(started) == 0 {
		return nil
	}
	err := apart(inOrder(started, func(s Started) uuid.UUID { return s.ExecutionID }), func(part []Started) error {
		ids, runs := make([]uuid.UUID, len(part)), make([]string, len(part))
		for i, s := range part {
			ids[i], runs[i] = s.ExecutionID, s.RunID
		}
		b := tuned()
		b.Queue(unhurriedSQL)
		b.Queue(settleSQL, ids, runs)
		return db.SendBatch(ctx, b).Close()
	})
	return Wrap(err, "settle started executions")
}

// FailedStart is a claim whose workflow does not exist and was not started.
type FailedStart struct {
	ExecutionID uuid.UUID
	Reason      string
	Error       string
	Permanent   bool // no retry can help: FAILED at once
	Waits       bool // it waits for something that may take as long as it likes: no number of attempts is too many
}

// RetryPolicy limits the starts of one item. Only failed starts count as attempts; waiting for capacity does not.
type RetryPolicy struct {
	MaxAttempts int           // FAILED after so many failed starts
	Backoff     time.Duration // before the second attempt; doubles each time
	MaxBackoff  time.Duration
	Jitter      float64 // spreads each wait by this share of it to both sides, 0 to 1
}

// Undone is a claim that was undone: the item is pending again, or has ended FAILED.
type Undone struct {
	ID          uuid.UUID
	AvailableAt *time.Time // nil: it has ended
}

var requeueSQL = load("requeue", "shard", "turn", "ids", "reasons", "errors", "permanent", "waits", "attempts", "backoff", "max_backoff", "jitter")

// Requeue undoes claims whose start has failed, in a turn of its own. It returns false, and has done nothing, if that turn was
// taken. A claim that was settled or has ended is left as it is.
func Requeue(ctx context.Context, db DB, shard int, turn int64, failed []FailedStart, policy RetryPolicy) (undone []Undone, taken bool, err error) {
	n := len(failed)
	ids, reasons, errs, permanent, waits := make([]uuid.UUID, n), make([]string, n), make([]string, n), make([]bool, n), make([]bool, n)
	for i, f := range inOrder(failed, func(f FailedStart) uuid.UUID { return f.ExecutionID }) {
		ids[i], reasons[i], errs[i], permanent[i], waits[i] = f.ExecutionID, f.Reason, text(f.Error), f.Permanent, f.Waits
	}
	b := tunedForTurn()
	b.Queue(requeueSQL, shard, turn, ids, reasons, errs, permanent, waits, policy.MaxAttempts, policy.Backoff, policy.MaxBackoff, policy.Jitter).
		Query(func(rows pgx.Rows) error {
			var id *uuid.UUID
			var at *time.Time
			_, err := pgx.ForEachRow(rows, []any{&id, &at}, func() error {
				taken = true
				if id != nil {
					undone = append(undone, Undone{ID: *id, AvailableAt: at})
				}
				return nil
			})
			return err
		})
	err = held(ctx, db, shard, db.SendBatch(ctx, b).Close())
	return undone, taken && err == nil, Wrap(err, "requeue failed starts")
}

// isNone tells that a statement of one row has returned none.
func isNone(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

var requestSQL = load("request", "id")

// Request reads the request of an item that is a workflow, where it is large. It is nil where there is none.
func Request(ctx context.Context, db DB, item uuid.UUID) ([]byte, error) {
	requests, err := Values[[]byte](ctx, db, requestSQL, item)
	if err != nil || len(requests) == 0 {
		return nil, Wrap(err, "read the request of item "+item.String())
	}
	return requests[0], nil
}
