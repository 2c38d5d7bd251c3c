package queue_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

type planNode struct {
	NodeType     string     `json:"Node Type"`
	RelationName string     `json:"Relation Name"`
	IndexName    string     `json:"Index Name"`
	IndexCond    string     `json:"Index Cond"`
	ActualRows   float64    `json:"Actual Rows"`
	ActualLoops  float64    `json:"Actual Loops"`
	Filtered     float64    `json:"Rows Removed by Filter"`
	Plans        []planNode `json:"Plans"`
}

// walk visits each node with those above it.
func (n planNode) walk(above []planNode, visit func(n planNode, above []planNode)) {
	visit(n, above)
	for _, child := range n.Plans {
		child.walk(append(above, n), visit)
	}
}

// The statements of the dispatcher must cost the same however many items wait: each reads index ranges of the backlog
// and stops. 200 scheduled items of priority 1 in front of the ready ones are what a careless plan stumbles over.
func TestTheDispatcherReadsTheBacklogThroughTheClaimIndex(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	b.exec(t, `INSERT INTO sluice.workspaces (name, plan) SELECT 'w' || n, 'STARTER' FROM generate_series(1, 49) AS n`)
	b.exec(t, `INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, available_at, enqueued_by)
		SELECT sluice.uuid_v7(), w.id, gen_random_uuid(), CASE WHEN n <= 200 THEN 1 ELSE 3 END,
		       now() + CASE WHEN n <= 200 THEN interval '1 day' ELSE interval '-1 hour' END, 'x'
		FROM sluice.workspaces w, generate_series(1, 400) AS n`)
	require.Equal(t, 20_000, one[int](t, b.pool, `SELECT count(*) FROM sluice.execution_queue`))
	workspaces := list[uuid.UUID](t, b.pool, `SELECT id FROM sluice.workspaces`)
	last := list[uuid.UUID](t, b.pool, `SELECT DISTINCT ON (workspace_id) id FROM sluice.execution_queue ORDER BY workspace_id, id DESC`)
	slots, limits := make([]int, len(workspaces)), make([]int, len(workspaces))
	for i := range workspaces {
		slots[i], limits[i] = 2, starterLimit
	}

	for _, statistics := range []string{"before", "after"} {
		if statistics == "after" {
			b.exec(t, `ANALYZE sluice.execution_queue, sluice.workspaces, sluice.slots`)
		}
		t.Run(statistics+" statistics are gathered", func(t *testing.T) {
			for name, statement := range map[string]struct {
				sql  string
				args []any
			}{
				"claim":                      {queue.ClaimSQL, claimOf(b.fence, workspaces, slots, limits, []int{1, 2, 3, 4, 5})},
				"claim of a single priority": {queue.ClaimSQL, claimOf(b.fence, workspaces, slots, limits, []int{3})},
				"claim for those alone":      {queue.ClaimAloneSQL, claimOf(b.fence, workspaces, slots, limits, []int{3})[:17]},
				"capacity":                   {queue.CapacitySQL, []any{100, 100, nil, nil, 0}},
				"again":                      {queue.AgainSQL, []any{100, 100, beginnings(len(workspaces)), make([]uuid.UUID, 5*len(workspaces)), 0, workspaces, make([]int64, len(workspaces))}},
				"items":                      {queue.ItemsSQL, itemsOf(workspaces, 100)},
				"next":                       {queue.NextSQL, []any{uuid.Nil, 50}},
				"waits":                      {queue.WaitsSQL, []any{last, workspaces, slots, 100}},
			} {
				t.Run(name, func(t *testing.T) {
					// Rolled back: what is explained is also done.
					conn, err := b.dispatcher.Pool().Acquire(t.Context())
					require.NoError(t, err)
					defer conn.Release()
					tx, err := conn.Begin(t.Context())
					require.NoError(t, err)
					defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
					raw := explain(t, tx, statement.sql, statement.args...)
					var plans []struct{ Plan planNode }
					require.NoError(t, json.Unmarshal(raw, &plans))

					var throughIndex int
					var usage float64
					plans[0].Plan.walk(nil, func(n planNode, above []planNode) {
						if n.IndexName == "slots_numbered" {
							usage += n.ActualLoops
						}
						if n.RelationName != "execution_queue" || n.NodeType == "ModifyTable" {
							return
						}
						require.Contains(t, []string{"Index Scan", "Index Only Scan", "Tid Scan"}, n.NodeType, "%s", raw)
						if n.IndexName == "execution_queue_pkey" || n.NodeType == "Tid Scan" {
							return // the lock and the delete of what was picked
						}
						throughIndex++
						require.Equal(t, "execution_queue_claim", n.IndexName)
						require.Zero(t, n.Filtered, "the range holds nothing but what is wanted")
						for i, a := range above {
							// The lines of the report may be sorted, a backlog never: a limit or a count cuts it first.
							require.True(t, a.NodeType != "Sort" || cutBelow(above[i+1:]), "%s", raw)
						}
					})
					require.Positive(t, throughIndex)
					require.LessOrEqual(t, usage, 50.0, "usage is counted once for each workspace: %s", raw)
				})
			}
		})
	}
}

// explain runs a statement with the plan that the dispatcher keeps for it, which is made without knowing the parameters.
func explain(t *testing.T, tx pgx.Tx, sql string, args ...any) (raw []byte) {
	t.Helper()
	conn := tx.Conn()
	prepared, err := conn.Prepare(t.Context(), "explained", sql)
	require.NoError(t, err)
	values := make([]string, len(args))
	for i, arg := range args {
		text, err := conn.TypeMap().Encode(prepared.ParamOIDs[i], pgtype.TextFormatCode, arg, nil)
		require.NoError(t, err)
		if values[i] = "NULL"; text != nil {
			values[i] = "'" + strings.ReplaceAll(string(text), "'", "''") + "'"
		}
	}
	require.NoError(t, tx.QueryRow(t.Context(), `EXPLAIN (ANALYZE, FORMAT json) EXECUTE explained (`+strings.Join(values, ", ")+`)`).Scan(&raw))
	require.NoError(t, conn.Deallocate(t.Context(), "explained"))
	return raw
}

// claimOf are the parameters of a claim that begins at the first item of each of the priorities.
func claimOf(fence queue.Fence, workspaces []uuid.UUID, slots, limits, priorities []int) []any {
	n := len(priorities)
	var first, last, lead []int
	until := make([]pgtype.Timestamptz, len(workspaces))
	for i := range workspaces {
		first, last, lead = append(first, i*n+1), append(last, (i+1)*n), append(lead, 0)
		until[i] = pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
		if n == 1 {
			lead[i] = first[i]
		}
	}
	return []any{fence.Shard, fence.Epoch, 1, workspaces, slots, limits, beginnings(len(workspaces))[:n*len(workspaces)],
		make([]uuid.UUID, n*len(workspaces)), slices.Repeat(priorities, len(workspaces)), first, last,
		0, 0, make([]int64, len(workspaces)), lead, until, pgtype.TID{}, []uuid.UUID{}, []int64{}}
}

// itemsOf are the parameters of a look at the items of all priorities.
func itemsOf(workspaces []uuid.UUID, depth int) []any {
	var ids []uuid.UUID
	for _, id := range workspaces {
		ids = append(ids, id, id, id, id, id)
	}
	return []any{ids, slices.Repeat([]int{1, 2, 3, 4, 5}, len(workspaces)), beginnings(len(workspaces)), make([]uuid.UUID, len(ids)),
		slices.Repeat([]int{depth}, len(ids))}
}

// beginnings are cursors that skip nothing, five for each workspace.
func beginnings(workspaces int) []pgtype.Timestamptz {
	at := make([]pgtype.Timestamptz, 5*workspaces)
	for i := range at {
		at[i] = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return at
}

func cutBelow(nodes []planNode) bool {
	return slices.ContainsFunc(nodes, func(n planNode) bool { return n.NodeType == "Limit" || n.NodeType == "Aggregate" })
}

func TestTheClaimReadsNoMoreThanItTakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.openEpoch(t, "run")
	later := b.item()
	later.Priority, later.AvailableAt = 1, inFuture()
	_, err := b.app.EnqueueMany(t.Context(), items(later, 200))
	require.NoError(t, err)
	_, err = b.app.EnqueueMany(t.Context(), items(b.item(), 200))
	require.NoError(t, err)
	for _, priorities := range [][]int{{1, 2, 3, 4, 5}, {3}} {
		tx, err := b.dispatcher.Pool().Begin(t.Context())
		require.NoError(t, err)
		defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
		raw := explain(t, tx, queue.ClaimSQL, claimOf(b.fence, []uuid.UUID{b.workspace}, []int{2}, []int{starterLimit}, priorities)...)
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(raw, &plans))
		var read float64
		plans[0].Plan.walk(nil, func(n planNode, _ []planNode) {
			if n.NodeType == "LockRows" {
				read += n.ActualRows * n.ActualLoops
			}
		})
		// An average per loop is rounded, so that two rows over three priorities may count as one each.
		require.Positive(t, read)
		require.LessOrEqual(t, read, 5.0, "it stops at what was granted: %s", raw)
		require.NoError(t, tx.Rollback(t.Context()))
	}
}

// An outcome looks for its own slot, and not through all that an open transaction keeps: plans are made while there are few.
func TestAnOutcomeFindsItsSlotById(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `ANALYZE sluice.slots, sluice.workflow_executions`)
	for name, statement := range map[string]struct {
		sql  string
		args []any
	}{
		"alone":    {queue.EndExecutionSQL, []any{uuid.New(), "COMPLETED", "run", nil, nil}},
		"together": {queue.EndExecutionsSQL, []any{[]uuid.UUID{uuid.New()}, []string{"COMPLETED"}, []string{"run"}, []*string{nil}, []*string{nil}}},
	} {
		tx, err := b.dispatcher.Pool().Begin(t.Context())
		require.NoError(t, err)
		raw := explain(t, tx, statement.sql, statement.args...)
		require.NoError(t, tx.Rollback(t.Context()))
		var plans []struct{ Plan planNode }
		require.NoError(t, json.Unmarshal(raw, &plans))
		var conditions []string
		plans[0].Plan.walk(nil, func(n planNode, _ []planNode) {
			if n.RelationName == "slots" && n.NodeType != "ModifyTable" {
				conditions = append(conditions, n.IndexCond)
			}
		})
		require.Len(t, conditions, 1, name)
		require.Contains(t, conditions[0], "execution_id", name)
	}
}
