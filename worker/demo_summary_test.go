package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/definition"
	"sluice/internal/store/facts"
	"sluice/queue"
)

func second(n int) time.Time { return time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC) }

func held(from, to int) facts.HeldSlot {
	end := second(to)
	return facts.HeldSlot{From: second(from), To: &end}
}

func TestPeak(t *testing.T) {
	t.Parallel()
	require.Zero(t, peak(nil))
	require.Equal(t, 1, peak([]facts.HeldSlot{held(0, 1), held(1, 2), held(2, 3)}), "one after the other")
	require.Equal(t, 2, peak([]facts.HeldSlot{held(0, 3), held(1, 2), held(2, 4)}))
	require.Equal(t, 3, peak([]facts.HeldSlot{held(0, 9), held(5, 6), {From: second(5)}, held(6, 7)}), "one is still held")
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	require.Zero(t, percentile(nil, 0.5))
	list := []time.Duration{1, 2, 3, 4}
	require.Equal(t, time.Duration(2), percentile(list, 0.5))
	require.Equal(t, time.Duration(4), percentile(list, 0.99))
	require.Equal(t, time.Duration(1), percentile(list[:1], 0.99))
}

func TestSummaryCountsViolations(t *testing.T) {
	t.Parallel()
	a, b := uuid.New(), uuid.New()
	of := func(id uuid.UUID, s facts.HeldSlot) facts.HeldSlot { s.WorkspaceID = id; return s }
	found := demoFacts{
		workspaces: map[uuid.UUID]demoWorkspace{
			a: {Workspace: admin.Workspace{Name: "A", Plan: "FREE"}},
			b: {Workspace: admin.Workspace{Name: "B", Plan: "PRO"}},
		},
		executions: []facts.ExecutionTime{
			{WorkspaceID: a, Status: "COMPLETED", AvailableAt: second(0), ClaimedAt: second(1)},
			{WorkspaceID: a, Status: "FAILED", AvailableAt: second(0), ClaimedAt: second(3)},
			{WorkspaceID: b, Status: "COMPLETED", AvailableAt: second(0), ClaimedAt: second(2)},
		},
		slots:   []facts.HeldSlot{of(a, held(1, 3)), of(a, held(2, 5)), of(b, held(2, 3)), of(b, held(2, 3))},
		refused: 1,
	}
	s := summarise(found, map[uuid.UUID]int{a: 1, b: 20}, 5*time.Second)
	require.Equal(t, 1, s.violations)
	require.Equal(t, []workspacePeak{{"A", "FREE", 2, 1}, {"B", "PRO", 2, 20}}, s.peaks)
	require.Equal(t, []planWait{{"FREE", 2, time.Second, 3 * time.Second}, {"PRO", 1, 2 * time.Second, 2 * time.Second}}, s.plans)
	text := s.String()
	require.Contains(t, text, "3 executions ended in 5.0s: 2 COMPLETED 1 FAILED; 1 items never started")
	require.Contains(t, text, "limits violated: 1")
}

func TestDemoLoad(t *testing.T) {
	t.Parallel()
	definitions := demoDefinitions("http://127.0.0.1:8078")
	var workspaces []demoWorkspace
	for _, c := range demoCast {
		w := demoWorkspace{Workspace: admin.Workspace{ID: uuid.New(), Name: c.name, Plan: c.plan}, definitions: map[string]uuid.UUID{}}
		for i, raw := range definitions {
			parsed, err := definition.Parse(raw)
			require.NoError(t, err)
			w.definitions[parsed.Name] = uuid.New()
			require.JSONEq(t, string(raw), string(demoDefinitions("http://127.0.0.1:8078")[i]), "the same in each run")
		}
		workspaces = append(workspaces, w)
	}
	pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/nowhere") // it connects to nothing before it is asked to
	require.NoError(t, err)
	defer pool.Close()
	items, err := demoItems(t.Context(), queue.New(pool), workspaces)
	require.NoError(t, err)
	require.Len(t, items, 300)
	own := 0
	for _, item := range items {
		if item.Workflow != nil {
			own++
			require.Equal(t, demoOrderType, item.Workflow.Request.GetWorkflowType().GetName())
			continue
		}
		require.NotEqual(t, uuid.Nil, item.DefinitionID)
	}
	require.Equal(t, 150, own)
}
