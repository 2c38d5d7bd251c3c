package history

import (
	"context"
	"embed"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/store"
)

//go:embed sql/*.sql
var files embed.FS

// Sizes is how much there is.
type Sizes struct {
	Workspaces, Ended, Pending, Running int
	Logged                              int // entries of the log of activity
	Days                                int // over which items have ended
}

// chunk is how many rows one statement adds.
const chunk = 250_000

// Fill puts that much into a migrated database without workspaces, past all that guards it.
func Fill(ctx context.Context, pool *pgxpool.Pool, s Sizes) error {
	makePartitions, err := store.Values[string](ctx, pool, statement("partitions"), s.Days)
	if err != nil {
		return fmt.Errorf("make partitions of the past: %w", err)
	}
	for _, sql := range makePartitions {
		if _, err := pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make a partition of the past: %w", err)
		}
	}
	f := filling{pool: pool}
	f.add(ctx, "workspaces", s.Workspaces)
	var workspaces, definitions []uuid.UUID
	var now time.Time
	f.scan(ctx, `SELECT array_agg(d.workspace_id ORDER BY w.name), array_agg(d.id ORDER BY w.name), now()
		FROM sluice.workflow_definitions d JOIN sluice.workspaces w ON w.id = d.workspace_id`, &workspaces, &definitions, &now)
	span := time.Duration(s.Days) * 24 * time.Hour
	at := func(n int) time.Time {
		return now.Add(-span).Add(time.Duration(float64(span) * float64(n) / float64(s.Ended)))
	}
	for n := 0; n < s.Ended; n += chunk {
		to := min(n+chunk, s.Ended)
		f.add(ctx, "ended", workspaces, definitions, n, to, at(n), at(to))
	}
	f.add(ctx, "pending", workspaces, definitions, s.Pending)
	f.add(ctx, "running", workspaces, s.Running)
	f.add(ctx, "log", workspaces, s.Logged)
	if f.err == nil {
		_, f.err = pool.Exec(ctx, `VACUUM (ANALYZE)`)
	}
	if f.err != nil {
		return fmt.Errorf("make a history: %w", f.err)
	}
	return nil
}

// filling runs statements until one fails.
type filling struct {
	pool *pgxpool.Pool
	err  error
}

func (f *filling) add(ctx context.Context, name string, args ...any) {
	if f.err == nil {
		_, f.err = f.pool.Exec(ctx, statement(name), args...)
	}
}

func (f *filling) scan(ctx context.Context, sql string, to ...any) {
	if f.err == nil {
		f.err = f.pool.QueryRow(ctx, sql).Scan(to...)
	}
}

func statement(name string) string {
	sql, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err)
	}
	return string(sql)
}
