package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/admission/share"
)

var (
	tuneTurnSQL   = load("tune_turn", "milliseconds")
	turnHolderSQL = load("turn_holder")

	takeOverSQL  = load("take_over", "shard", "run", "takeover")
	takeTurnSQL  = load("take_turn", "shard", "turn", "kind")
	holdTurnsSQL = load("hold_turns")

	noteShortageSQL  = load("note_shortage", "shard", "weight", "more")
	endShortageSQL   = load("end_shortage", "shard")
	limitSharesSQL   = load("limit_shares")
	setAllotmentsSQL = load("set_allotments", "limit", "slots")
)

// TakeOver makes a run of the dispatcher the owner of its shard and returns the turn with which it took it over. Any claim
// that was planned before, by whichever run, comes to nothing unless it has committed. A run can take the shard over again,
// under a higher number: its own steps that are under way are then overtaken too. A repeated call returns the same turn.
func TakeOver(ctx context.Context, db DB, shard int, runID string, takeover int) (turn int64, err error) {
	for {
		b := tunedForTurn()
		b.Queue(takeOverSQL, shard, runID, takeover).QueryRow(func(row pgx.Row) error { return row.Scan(&turn) })
		err = db.SendBatch(ctx, b).Close()
		if !isNone(err) {
			return turn, Wrap(held(ctx, db, shard, err), "take over a shard")
		}
	}
}

// TakeTurn takes the next turn of a shard for a reason, and returns false if it is taken.
func TakeTurn(ctx context.Context, db DB, shard int, turn int64, kind string) (taken bool, err error) {
	b := tunedForTurn()
	b.Queue(takeTurnSQL, shard, turn, kind).Exec(func(tag pgconn.CommandTag) error {
		taken = tag.RowsAffected() > 0
		return nil
	})
	err = held(ctx, db, shard, db.SendBatch(ctx, b).Close())
	return taken && err == nil, Wrap(err, "take a turn")
}

// HoldTurns has all who change limits or definitions wait with their turns until release is called; those of claims are taken all the same. It
// waits for the turns of others that come first. ErrHeld says that it has waited in vain.
func HoldTurns(ctx context.Context, pool *pgxpool.Pool, shard int) (release func(), err error) {
	const doing = "hold the turns of others"
	tx, err := pool.Begin(ctx)
	if err != nil {
		return nil, Wrap(err, doing)
	}
	release = func() { _ = tx.Rollback(context.WithoutCancel(ctx)) } // a connection that is lost holds nothing
	b := tunedForTurn()
	b.Queue(holdTurnsSQL)
	if err := tx.SendBatch(ctx, b).Close(); err != nil {
		release()
		return nil, Wrap(held(ctx, pool, shard, err), doing)
	}
	return release, nil
}

// turnPatience is how long, in milliseconds, a dispatcher waits for a turn that another transaction has taken and not yet
// committed. A claim takes milliseconds. A session that holds a turn for longer must not keep the dispatcher from saying so.
const turnPatience = 2000

// ErrHeld says that a transaction of another session holds the next turn of a shard. Nothing was done. It is an ErrBusy.
var ErrHeld = fmt.Errorf("the next turn is held: %w", ErrBusy)

// tunedForTurn begins a batch with a statement that takes a turn.
func tunedForTurn() *pgx.Batch {
	b := &pgx.Batch{}
	b.Queue(tuneTurnSQL, turnPatience)
	return b
}

// held tells of an error that it is ErrHeld, and by whom.
func held(ctx context.Context, db DB, shard int, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "55P03" {
		return err
	}
	var holder *string
	if db.QueryRow(ctx, turnHolderSQL).Scan(&holder) != nil || holder == nil {
		return err
	}
	return &RequestError{Kind: ErrHeld, cause: err, Message: fmt.Sprintf("the next turn of shard %d is held by %s; nothing is claimed until that transaction ends", shard, *holder),
		Hint: "end it with SELECT pg_terminate_backend(its number), or COMMIT or ROLLBACK PREPARED"}
}

// SendClaim is Send for a batch with a claim. ErrHeld says that it has waited for its turn in vain.
func SendClaim(ctx context.Context, db DB, shard int, queue func(*pgx.Batch)) error {
	b := tunedForTurn()
	queue(b)
	return held(ctx, db, shard, db.SendBatch(ctx, b).Close())
}

// NoteShortage notes that a shard could start so many more at once if it might hold more of the global limit, and what its workspaces that
// wait or hold slots weigh together. It returns the limit and what each shard has of it, shard 0 first: none where there is no such limit.
func NoteShortage(ctx context.Context, db DB, shard, weight, more int) (limit int, shards []share.Shard, err error) {
	b := &pgx.Batch{}
	b.Queue(noteShortageSQL, shard, weight, more)
	b.Queue(limitSharesSQL).Query(func(rows pgx.Rows) (err error) {
		shards, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (s share.Shard, err error) {
			return s, row.Scan(&limit, &s.Slots, &s.Used, &s.Weight, &s.More, &s.Served)
		})
		return err
	})
	err = db.SendBatch(ctx, b).Close()
	return limit, shards, Wrap(err, "ask for slots of the global limit")
}

// EndShortage notes that a shard is short no more.
func EndShortage(ctx context.Context, db DB, shard int) error {
	_, err := db.Exec(ctx, endShortageSQL, shard)
	return Wrap(err, "give up what another shard may use")
}

// SetAllotments sets how many slots of the limit each shard may hold, shard 0 first. After it each shard has a turn in its journal, and reads
// its allotment again. It sets nothing where what was decided on is past.
func SetAllotments(ctx context.Context, db DB, limit int, slots []int) error {
	_, err := db.Exec(ctx, setAllotmentsSQL, limit, slots)
	return Wrap(err, "divide the global limit among shards")
}
