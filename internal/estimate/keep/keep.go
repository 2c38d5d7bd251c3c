package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/estimate"
	"sluice/internal/store"
	"sluice/internal/store/estimates"
	"sluice/internal/store/figures"
)

const (
	// fresh is how old estimates may be on a page that is open, and atOnce for a command that asks once.
	fresh, atOnce = 10 * time.Second, time.Second
	// idle is how old they become while nobody looks.
	idle = time.Minute
	// lookedAt and unseen are how many times as long as they took to make they are left alone.
	lookedAt, unseen = 20, 100
	// patience is how long who looks waits for new ones.
	patience = 200 * time.Millisecond
	// longest is the most that one statement may take.
	longest = 5 * time.Second
)

// Keeper keeps the estimates of a database.
type Keeper struct {
	pool *pgxpool.Pool
	log  *slog.Logger
	mu   sync.Mutex
	busy chan struct{} // is closed when what is under way is done; nil: nothing is
}

// New makes a keeper. It does nothing until it is asked to.
func New(pool *pgxpool.Pool, log *slog.Logger) *Keeper { return &Keeper{pool: pool, log: log} }

// Run makes estimates each minute, unless they are younger.
func (k *Keeper) Run(ctx context.Context) {
	tick := time.NewTicker(idle / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := Make(ctx, k.pool, idle, unseen); err != nil && ctx.Err() == nil {
				k.log.Warn("estimates of starts are not made anew", "error", err)
			}
		}
	}
}

// Look has estimates made anew where they are old, and waits a moment for them.
func (k *Keeper) Look(ctx context.Context) {
	k.mu.Lock()
	if k.busy == nil {
		done := make(chan struct{})
		k.busy = done
		go func() {
			defer func() {
				k.mu.Lock()
				k.busy = nil
				k.mu.Unlock()
				close(done)
			}()
			making, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*longest)
			defer cancel()
			if err := Make(making, k.pool, fresh, lookedAt); err != nil {
				k.log.Warn("estimates of starts are not made anew", "error", err)
			}
		}()
	}
	busy := k.busy
	k.mu.Unlock()
	select {
	case <-busy:
	case <-time.After(patience):
	case <-ctx.Done():
	}
}

// Now makes estimates anew for a command that asks once, if they are older than a second.
func Now(ctx context.Context, pool *pgxpool.Pool) error { return Make(ctx, pool, atOnce, lookedAt) }

// Make makes estimates anew that are older than age, and than so many times as long as they took to make.
func Make(ctx context.Context, pool *pgxpool.Pool, age time.Duration, rest int) error {
	begun, err := estimates.Begin(ctx, pool, age, rest)
	if err != nil || !begun {
		return err
	}
	began := time.Now()
	err = makeNow(ctx, pool)
	// What fails is not tried again at once either.
	return errors.Join(err, estimates.Took(context.WithoutCancel(ctx), pool, time.Since(began)))
}

func makeNow(ctx context.Context, pool *pgxpool.Pool) error {
	s, ids, err := read(ctx, pool)
	if err != nil {
		return err
	}
	return save(ctx, pool, s.Input.Now, ids, estimate.Curves(s))
}

func save(ctx context.Context, pool *pgxpool.Pool, at time.Time, ids []uuid.UUID, curves []estimate.Curve) error {
	rows := make([]estimates.Curve, len(curves))
	for i, c := range curves {
		r := estimates.Curve{WorkspaceID: ids[i], Why: c.Why, Due: []time.Time{}, After: []time.Time{}, Before: []time.Time{}, Items: []uuid.UUID{}}
		for _, p := range c.Points {
			r.Due, r.Items, r.After, r.Before = append(r.Due, at.Add(p.Due)), append(r.Items, p.ID), append(r.After, at.Add(p.After)), append(r.Before, at.Add(p.Before))
		}
		rows[i] = r
	}
	err := store.InTransaction(ctx, pool, func(tx pgx.Tx) error { return estimates.Save(ctx, tx, at, rows) })
	if err != nil {
		return fmt.Errorf("keep estimates of %d workspaces: %w", len(rows), err)
	}
	return nil
}

// hurried begins a transaction that only reads, in one snapshot, and none of whose statements takes long.
func hurried(ctx context.Context, pool *pgxpool.Pool, do func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := figures.Hurry(ctx, tx, longest); err != nil {
			return err
		}
		return do(tx)
	})
}
