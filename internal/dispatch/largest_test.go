package dispatch_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// The largest values that a limit can have, and the smallest rate, stop nobody: not their own workspaces, nor others.
func TestTheLargestLimitsStopNobody(t *testing.T) {
	t.Parallel()
	const most = 2147483647
	for name, set := range map[string]struct{ tier, workspaces string }{
		"max concurrent":        {"max_concurrent_workflows = $1", "cohort = 'a'"},
		"nominal quota":         {"max_concurrent_workflows = $1, nominal_quota = $1", "cohort = 'a'"},
		"beside a small member": {"max_concurrent_workflows = $1, nominal_quota = 1", "cohort = 'a', nominal_quota = CASE WHEN name = 'acme' THEN 2147483647 END"},
		"borrowing limit":       {"max_concurrent_workflows = $1, nominal_quota = $1, borrowing_limit = $1", "cohort = 'a', borrowing_limit = 2147483647"},
		"weight":                {"max_concurrent_workflows = $1, weight = 1000", "cohort = 'a', weight = 1000"},
		"rate and burst":        {"max_concurrent_workflows = $1, starts_per_second = 1000000, burst = $1", "cohort = 'a'"},
		"smallest rate":         {"max_concurrent_workflows = $1, starts_per_second = 0.000001, burst = $1", "cohort = 'a'"},
		"of all together":       {"max_concurrent_workflows = $1", "cohort = NULL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			var large []uuid.UUID
			for range 3 {
				workspace, definition := w.newWorkspace("ENTERPRISE")
				large = append(large, workspace)
				w.enqueueFor(workspace, definition, 3)
			}
			w.exec(`UPDATE sluice.tiers SET `+set.tier+` WHERE plan = 'ENTERPRISE'`, most)
			w.exec(`UPDATE sluice.workspaces SET `+set.workspaces+` WHERE id = ANY ($1)`, large)
			w.exec(`UPDATE sluice.settings SET max_concurrent_workflows = $1`, most)
			w.enqueue()
			require.Len(t, w.cycle(100), 4)
			require.Equal(t, 4, w.running())
			for _, id := range []uuid.UUID{w.enqueue(), w.enqueue()} {
				require.Equal(t, []uuid.UUID{id}, w.cycle(1))
			}
		})
	}
}
