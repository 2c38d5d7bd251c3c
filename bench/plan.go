package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/dispatch"
)

// planNode is a node of a query plan.
type planNode struct {
	NodeType     string     `json:"Node Type"`
	RelationName string     `json:"Relation Name"`
	Plans        []planNode `json:"Plans"`
}

// growing are the tables that a deeper backlog or more traffic make longer.
var growing = []string{"pending", "events", "turns"}

// careless counts the nodes that cost more with longer tables: sequential and bitmap scans of them, and sorts of them
// that no limit or count has cut short below.
func (n planNode) careless() int { return n.walk(nil) }

func (n planNode) walk(above []planNode) (found int) {
	if slices.Contains(growing, n.RelationName) && n.NodeType != "ModifyTable" {
		if !slices.Contains([]string{"Index Scan", "Index Only Scan", "Tid Scan"}, n.NodeType) {
			found++
		}
		for i, a := range above {
			cut := slices.ContainsFunc(above[i+1:], func(below planNode) bool { return below.NodeType == "Limit" || below.NodeType == "Aggregate" })
			if strings.Contains(a.NodeType, "Sort") && !cut {
				found++
			}
		}
	}
	for _, child := range n.Plans {
		found += child.walk(append(slices.Clone(above), n))
	}
	return found
}

// explained are the statements of a cycle whose plans are looked at, by a word of theirs.
var explained = map[string]string{"claim": "'claim'", "scan": "available_at, q.id) > (", "backlog": "WITH RECURSIVE line", "heard": "pg_snapshot_xip"}

// carelessPlans runs a cycle of another process of the same run, which knows nothing yet, with auto_explain, which shows the plan
// of each statement as it was really run. It counts the careless nodes of these plans.
func (b *backlog) carelessPlans(ctx context.Context) (found int, err error) {
	var plans plans
	config := b.database.worker.Config()
	config.ConnConfig.OnNotice = plans.note
	prepare := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json;
			SET auto_explain.log_level = notice; SET auto_explain.log_nested_statements = off`)
		return errors.Join(err, prepare(ctx, conn))
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return 0, fmt.Errorf("open a pool that explains: %w", err)
	}
	defer pool.Close()
	c := &cycler{Engine: dispatch.New(pool).Of(0), run: b.run}
	executions, _, err := c.cycle(ctx, claimBatch)
	if err != nil {
		return 0, err
	}
	if err := b.end(ctx, executions); err != nil {
		return 0, err
	}
	if _, _, err := b.cycle(ctx, claimBatch); err != nil { // it claims nothing, and hears that it was overtaken
		return 0, err
	}
	return plans.careless()
}

// plans are those that a connection was told of.
type plans struct {
	mu   sync.Mutex
	all  []shownPlan
	errs []error
}

type shownPlan struct {
	Query string   `json:"Query Text"`
	Plan  planNode `json:"Plan"`
}

func (p *plans) note(_ *pgconn.PgConn, notice *pgconn.Notice) {
	_, text, ok := strings.Cut(notice.Message, "plan:\n")
	if !ok {
		return
	}
	var shown shownPlan
	err := json.Unmarshal([]byte(text), &shown)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all, p.errs = append(p.all, shown), append(p.errs, err)
}

// careless counts the careless nodes of all plans, among which those of the explained statements must be.
func (p *plans) careless() (found int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := errors.Join(p.errs...); err != nil {
		return 0, fmt.Errorf("read a query plan: %w", err)
	}
	for _, shown := range p.all {
		found += shown.Plan.careless()
	}
	for name, word := range explained {
		if !slices.ContainsFunc(p.all, func(shown shownPlan) bool { return strings.Contains(shown.Query, word) }) {
			err = errors.Join(err, fmt.Errorf("the plan of %s was not shown", name))
		}
	}
	return found, err
}
