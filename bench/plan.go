package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/queue"
)

// planNode is a node of a query plan.
type planNode struct {
	NodeType     string     `json:"Node Type"`
	RelationName string     `json:"Relation Name"`
	Plans        []planNode `json:"Plans"`
}

// careless counts the nodes that cost more with a deeper backlog: sequential and bitmap scans of it, and sorts of it
// that no limit or count has cut short below.
func (n planNode) careless() int { return n.walk(nil) }

func (n planNode) walk(above []planNode) (found int) {
	if n.RelationName == "execution_queue" && n.NodeType != "ModifyTable" {
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

// explained runs one cycle of a batch with auto_explain, which shows the plan of each statement as it was really run, and
// returns the plans that read the backlog.
func (d *database) explained(ctx context.Context, c *cycler, batch int) (plans []planNode, err error) {
	var mu sync.Mutex
	var failed error
	config := d.worker.Config()
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) {
		_, text, ok := strings.Cut(notice.Message, "plan:\n")
		if !ok {
			return
		}
		var plan struct{ Plan planNode }
		err := json.Unmarshal([]byte(text), &plan)
		mu.Lock()
		defer mu.Unlock()
		if err != nil && failed == nil {
			failed = fmt.Errorf("read a query plan: %w", err)
		}
		if strings.Contains(text, `"execution_queue"`) {
			plans = append(plans, plan.Plan)
		}
	}
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json;
			SET auto_explain.log_level = notice; SET auto_explain.log_nested_statements = off`)
		return err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open a pool that explains: %w", err)
	}
	defer pool.Close()
	usual := *c
	c.queue = queue.New(pool)
	c.memory = c.queue.Memory() // knows nothing yet, so it reads everything
	defer func() { c.queue, c.memory = usual.queue, usual.memory }()
	executions, _, err := c.run(ctx, batch)
	if err != nil {
		return nil, err
	}
	if _, err := c.end(ctx, executions); err != nil {
		return nil, err
	}
	mu.Lock()
	defer mu.Unlock()
	if failed == nil && len(plans) < 2 {
		failed = fmt.Errorf("%d plans of one cycle read the backlog, those of capacity and claim should", len(plans))
	}
	return plans, failed
}
