package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const aboutClaim = `What it costs on Postgres alone to admit 100 executions: reading the capacity, deciding, claiming.
Three databases with the same workspaces take turns, cycle by cycle: one with a shallow backlog, one with a deep one,
and one with the same deep backlog of which 99 % lies in ten workspaces at their cap. What a cycle takes is put back,
so that the depth stays. Settling and outcomes (128 at once) are told beside it. Then the deep one goes on for a while
under a transaction whose snapshot is as old as that, which keeps every dead row: its first sixth is compared with its
last. The plans are those of one cycle in the deep backlog, as auto_explain shows them. Bare: a statement that takes 100 items
of the deep backlog, one of each of 100 workspaces, and writes the rows of a claim, but decides and looks up nothing.`

const (
	claimBatch = 100
	claimLimit = 10
	hot        = 10 // workspaces at their cap
)

// backlog is a database that is kept at its depth.
type backlog struct {
	*database
	cycler      *cycler
	first, last int // the workspaces that are served
	took        []steps
}

func claim(ctx context.Context, b *bench) (figures []figure, err error) {
	workspaces := pick(b.scale, 200, 1000, 10_000)
	few := pick(b.scale, 1000, 10_000, 10_000)
	many := pick(b.scale, 5000, 100_000, 10_000_000)
	var shallow, deep, capped *backlog
	for _, one := range []struct {
		backlog **backlog
		items   int
		capped  bool
	}{{&shallow, few, false}, {&deep, many, false}, {&capped, many, true}} {
		if *one.backlog, err = b.newBacklog(ctx, workspaces, one.items, one.capped); err != nil {
			return nil, err
		}
		defer (*one.backlog).close()
	}
	// A few cycles each to have everything in the caches, then in turn.
	warm := 3
	for range warm + pick(b.scale, 5, 20, 100) {
		for _, one := range []*backlog{shallow, deep, capped} {
			if err := one.cycle(ctx); err != nil {
				return nil, err
			}
		}
	}
	for _, one := range []struct {
		name    string
		backlog *backlog
	}{{"shallow", shallow}, {"deep", deep}, {"capped", capped}} {
		one.backlog.took = one.backlog.took[warm:]
		if one.name != "shallow" {
			figures = append(figures, figure{one.name, "times", ratio(middle(one.backlog.took, steps.admission), middle(shallow.took, steps.admission))})
		}
		figures = append(figures, figure{one.name + ".ms", "ms", milliseconds(middle(one.backlog.took, steps.admission))})
		figures = append(figures, stepFigures(one.name, one.backlog.took)...)
	}
	plans, err := deep.explained(ctx, deep.cycler, claimBatch)
	if err != nil {
		return nil, err
	}
	careless := 0
	for _, p := range plans {
		careless += p.careless()
	}
	figures = append(figures, figure{"plans", "nodes", float64(careless)})

	growth, cycles, err := deep.underSnapshot(ctx, pick(b.scale, 500*time.Millisecond, 6*time.Second, 5*time.Minute))
	if err != nil {
		return nil, err
	}
	figures = append(figures, figure{"snapshot", "times", growth}, figure{"snapshot.cycles", "", float64(cycles)})
	bare, err := deep.bare(ctx, warm, pick(b.scale, 5, 20, 100))
	return append(figures, figure{"deep.bare.ms", "ms", milliseconds(bare)}), err
}

// newBacklog loads a backlog over all workspaces, or with 99 % of it in those at their cap.
func (b *bench) newBacklog(ctx context.Context, workspaces, items int, capped bool) (_ *backlog, err error) {
	d, err := b.newDatabase(ctx, workspaces, claimLimit)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	one := &backlog{database: d, last: workspaces}
	b.progress("  loading %d items", items)
	if capped {
		one.first = hot
		var ids, holders, definitions []uuid.UUID
		for n := range hot * claimLimit {
			ids = append(ids, uuid.New())
			holders = append(holders, d.workspaces[n%hot])
			definitions = append(definitions, d.definitions[n%hot])
		}
		err = errors.Join(d.hold(ctx, ids, holders, definitions), d.load(ctx, items*99/100, 0, hot))
		items -= items * 99 / 100
	}
	// A cycle must find a full batch of workspaces that it can serve, also right after it has emptied some.
	items = max(items, 2*claimBatch)
	if err = errors.Join(err, d.load(ctx, items, one.first, one.last), d.settle(ctx)); err != nil {
		return nil, err
	}
	one.cycler, err = newCycler(ctx, d.dispatcher, 0)
	return one, err
}

// cycle admits a batch, ends it, and puts as much back.
func (b *backlog) cycle(ctx context.Context) error {
	executions, took, err := b.cycler.run(ctx, claimBatch)
	if err != nil {
		return err
	}
	if len(executions) != claimBatch {
		return fmt.Errorf("%d of %d claimed", len(executions), claimBatch)
	}
	if took.outcome, err = b.cycler.end(ctx, executions); err != nil {
		return err
	}
	b.took = append(b.took, took)
	return b.load(ctx, claimBatch, b.first, b.last)
}

// underSnapshot goes on for so long while a transaction holds a snapshot, and returns what a cycle costs at the end, of
// what it costs at the beginning.
func (b *backlog) underSnapshot(ctx context.Context, long time.Duration) (growth float64, cycles int, err error) {
	tx, err := b.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		return 0, 0, fmt.Errorf("hold a snapshot: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, `SELECT count(*) FROM sluice.dispatchers`); err != nil {
		return 0, 0, fmt.Errorf("hold a snapshot: %w", err)
	}
	b.took = nil
	var sixths [][]steps
	began := time.Now()
	for n := range 6 {
		for len(b.took) < 3 || time.Since(began) < long*time.Duration(n+1)/6 {
			if err := b.cycle(ctx); err != nil {
				return 0, 0, err
			}
		}
		sixths = append(sixths, slices.Clone(b.took))
		cycles += len(b.took)
		b.took = nil
	}
	return ratio(middle(sixths[5], steps.admission), middle(sixths[0], steps.admission)), cycles, nil
}

// bare is what a claim costs that decides nothing. Nobody remembers this backlog any more when it is done.
func (b *backlog) bare(ctx context.Context, warm, times int) (time.Duration, error) {
	if err := b.settle(ctx); err != nil {
		return 0, err
	}
	var took []time.Duration
	at := 0
	for range warm + times {
		var turn []uuid.UUID
		for range claimBatch {
			turn = append(turn, b.workspaces[at%len(b.workspaces)])
			at += 7919 // far from one another in the table, as whose turn it is
		}
		began := time.Now()
		ids, err := bareIDs(ctx, b.database, turn, 1)
		took = append(took, time.Since(began))
		if err == nil && len(ids) != claimBatch {
			err = fmt.Errorf("%d of %d claimed", len(ids), claimBatch)
		}
		if err == nil {
			_, err = b.worker.Exec(ctx, bareEndSQL, ids)
		}
		if err == nil {
			err = b.load(ctx, claimBatch, b.first, b.last)
		}
		if err != nil {
			return 0, fmt.Errorf("bare claim: %w", err)
		}
	}
	return quantile(took[warm:], 0.5), nil
}
