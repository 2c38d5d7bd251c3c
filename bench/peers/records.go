package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// records is where a system writes down when an item was admitted and when it ended.
type records struct {
	// held is a query of (workspace, began, ended) of all items that have a good outcome.
	held string
	// open is a condition that is true as long as an outcome is missing.
	open string
}

// pollEvery is how often the records are asked whether the last outcome is there; only after the last item has run.
const pollEvery = 2 * time.Millisecond

// awaitOutcomes waits until the work is done and the records are complete, and returns the server's time then.
func (r records) awaitOutcomes(ctx context.Context, conn *pgx.Conn, w *work) (last time.Time, err error) {
	select {
	case <-w.done:
	case <-ctx.Done():
		return last, fmt.Errorf("wait for the last of %d items, %d to go: %w", w.items(), w.left.Load(), ctx.Err())
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		var open bool
		if err := conn.QueryRow(ctx, `SELECT `+r.open+`, clock_timestamp()`).Scan(&open, &last); err != nil {
			return last, fmt.Errorf("look for the last outcome: %w", err)
		}
		if !open {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("wait for the last outcome: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// summary is what the records of a run say.
type summary struct {
	items  int       // with an outcome
	began  time.Time // the first of them
	atOnce int       // the most that a workspace had running at one time
}

// read sums the records up. Of what ends and begins at the same time, the end counts first.
func (r records) read(ctx context.Context, conn *pgx.Conn) (s summary, err error) {
	err = conn.QueryRow(ctx, `
		WITH held AS (`+r.held+`), moves AS (
			SELECT workspace, began AS at, 1 AS by FROM held UNION ALL SELECT workspace, ended, -1 FROM held
		), levels AS (
			SELECT sum(by) OVER (PARTITION BY workspace ORDER BY at, by ROWS UNBOUNDED PRECEDING) AS level FROM moves
		)
		SELECT (SELECT count(*) FROM held), (SELECT min(began) FROM held), (SELECT max(level) FROM levels)`).Scan(&s.items, &s.began, &s.atOnce)
	if err != nil {
		return s, fmt.Errorf("read the records: %w", err)
	}
	return s, nil
}
