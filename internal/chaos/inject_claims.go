package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

// killPause is between two attacks on the workers' sessions: long enough for a pool to have new ones.
const killPause = 20 * time.Millisecond

// killConnections ends the workers' sessions in Postgres, again and again: at first all, then those that are in the middle of
// something.
func (c *chaos) killConnections(ctx context.Context, f plan.Fault) (aftermath, error) {
	heal := c.weather.Breaks(f.Number)
	defer heal()
	attack, over := context.WithTimeout(ctx, f.For)
	defer over()
	killed := 0
	for all := true; ; all = false {
		var n int
		err := c.pool.QueryRow(attack, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sluice' AND ($1 OR state <> 'idle')`, all).Scan(&n)
		if err == nil {
			killed += n
		}
		if cluster.Sleep(attack, killPause) != nil {
			break
		}
	}
	if killed == 0 {
		return aftermath{}, errors.New("no session was there")
	}
	return aftermath{target: fmt.Sprintf("%d sessions", killed), since: time.Now()}, nil
}

// holdClaim has a session hold what claims need, for a while, and roll back: the next turn of a shard, whose claims wait and come to
// nothing meanwhile; the place of an item among what runs, so that one claim waits; or an item, which claims leave out.
func (c *chaos) holdClaim(ctx context.Context, f plan.Fault) (aftermath, error) {
	tx, err := c.begin(ctx, pgx.TxOptions{})
	if err != nil {
		return aftermath{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	var what string
	var ids []uuid.UUID
	switch f.Choice % 3 {
	case 0:
		what = "the next turn"
		ids, err = c.holdTurn(ctx, tx, c.idlePlace(ctx, f.Choice/3))
	case 1:
		what = "an item's place"
		ids, err = c.holdItem(ctx, tx, c.cast.probe, f)
	default:
		what = "an item"
		heal() // nobody waits for it
		ids, err = c.lockItem(ctx, tx, c.cast.probe, f)
	}
	if err == nil && f.Choice%3 < 2 {
		_, err = c.heldUp(ctx, tx)
	}
	if err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	if err := tx.Rollback(ctx); err != nil {
		return aftermath{}, fmt.Errorf("roll back after %s: %w", f.For.Round(time.Millisecond), err) // a server was away meanwhile
	}
	a := aftermath{target: what, since: time.Now()}
	a.missing = func(ctx context.Context) (string, error) { return c.notEnded(ctx, ids...) }
	return a, nil
}

// begin begins a transaction that may stay idle: the pool's sessions may not, as they are Sluice's own.
func (c *chaos) begin(ctx context.Context, options pgx.TxOptions) (pgx.Tx, error) {
	tx, err := c.pool.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0`); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx))
		return nil, err
	}
	return tx, nil
}

// killClaim holds a claim up at one of three places and ends its session: at its turn, before it has done anything; at an item,
// with half of its work done; or just after it was let go, when it may have committed and cannot say so.
func (c *chaos) killClaim(ctx context.Context, f plan.Fault) (aftermath, error) {
	ctx, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return aftermath{}, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	at, where := c.idlePlace(ctx, f.Choice/6), []string{"at its turn", "at an item", "at its commit"}[f.Choice%3]
	var ids []uuid.UUID
	if where == "at an item" {
		at = c.cast.probe // it has a free slot at any time
		ids, err = c.holdItem(ctx, tx, at, f)
	} else {
		ids, err = c.holdTurn(ctx, tx, at)
	}
	if err != nil {
		return aftermath{}, err
	}
	victims, err := c.heldUp(ctx, tx)
	if err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	if where == "at its commit" {
		_ = tx.Rollback(ctx)
		_ = cluster.Sleep(ctx, time.Duration(f.Choice>>8%15)*time.Millisecond)
	}
	if _, err := c.pool.Exec(ctx, `SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid`, victims); err != nil {
		return aftermath{}, err
	}
	a := aftermath{target: fmt.Sprintf("%d sessions, %s", len(victims), where), since: time.Now()}
	a.missing = func(ctx context.Context) (string, error) { return c.notEnded(ctx, ids...) }
	return a, nil
}

// idlePlace is one in which nothing waits or runs, by a fault's choice, if there is one.
func (c *chaos) idlePlace(ctx context.Context, choice uint64) place {
	var busy []uuid.UUID
	rows, err := c.pool.Query(ctx, `SELECT workspace_id FROM sluice.pending UNION SELECT workspace_id FROM sluice.running`)
	if err == nil {
		busy, _ = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	}
	for n := range uint64(len(c.cast.places)) {
		if at := c.cast.place(choice + n); !slices.Contains(busy, at.workspace) {
			return at
		}
	}
	return c.cast.place(choice)
}

// holdTurn takes the next turn of a workspace's shard in a transaction, so that the shard's next claim waits for it.
func (c *chaos) holdTurn(ctx context.Context, tx pgx.Tx, at place) ([]uuid.UUID, error) {
	if _, err := tx.Exec(ctx, `SELECT sluice.take_turn(sluice.shard_of($1, NULL, s.shards), 'limits', $1) FROM sluice.settings s`, at.workspace); err != nil {
		return nil, err
	}
	return c.enqueueAll(ctx, at, nodeNoop, 1)
}

// holdItem takes the place among what runs, in a transaction, of an item that is due in a moment: its claim has taken a turn
// and the item when it meets that.
func (c *chaos) holdItem(ctx context.Context, tx pgx.Tx, at place, f plan.Fault) ([]uuid.UUID, error) {
	id, err := c.enqueueSoon(ctx, at, f)
	if err != nil {
		return nil, err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO sluice.running (id, workspace_id, workflow_definition_id, priority, attempt_count, turn, created_at, available_at, claimed_at, trigger_type, enqueued_by)
		VALUES ($1, $2, $3, 3, 0, 0, now(), now(), now(), 'CHAOS', $4)`, id, at.workspace, at.definitions[nodeNoop], actor)
	return []uuid.UUID{id}, err
}

// lockItem locks an item that is due in a moment.
func (c *chaos) lockItem(ctx context.Context, tx pgx.Tx, at place, f plan.Fault) ([]uuid.UUID, error) {
	id, err := c.enqueueSoon(ctx, at, f)
	if err != nil {
		return nil, err
	}
	tag, err := tx.Exec(ctx, `SELECT FROM sluice.pending WHERE id = $1 FOR UPDATE`, id)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("the item was claimed before it could be locked")
	}
	return []uuid.UUID{id}, err
}

// enqueueSoon enqueues an item that is due in a moment.
func (c *chaos) enqueueSoon(ctx context.Context, at place, f plan.Fault) (uuid.UUID, error) {
	ticket := c.ledger.Issue(at.workspace, at.definitions[nodeNoop], fmt.Sprintf("held-%d", f.Number))
	item := itemOf(ticket)
	item.AvailableAt = time.Now().Add(time.Second)
	id, ok := c.untilAnswered(ctx, ticket, c.enqueueByGo(item))
	if !ok {
		return id, errors.New("the item was refused")
	}
	return id, nil
}

// heldUp returns the claims that wait for a transaction, when there are any.
func (c *chaos) heldUp(ctx context.Context, tx pgx.Tx) (pids []int32, err error) {
	ctx, cancel := context.WithTimeout(ctx, victimPatience/4)
	defer cancel()
	for len(pids) == 0 {
		rows, err := c.pool.Query(ctx, `
			SELECT pid FROM pg_stat_activity
			WHERE application_name = 'sluice' AND query LIKE '%INSERT INTO sluice.turns%' AND $1 = ANY (pg_blocking_pids(pid))`, tx.Conn().PgConn().PID())
		if err != nil {
			return nil, err
		}
		if pids, err = pgx.CollectRows(rows, pgx.RowTo[int32]); err != nil {
			return nil, err
		}
		if err := cluster.Sleep(ctx, 2*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for a claim: %w", err)
		}
	}
	return pids, nil
}
