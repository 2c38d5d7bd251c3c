package dispatch_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/dispatch"
)

// BenchmarkLoad shows what a process costs that begins with 100,000 workspaces and 500,000 items, and a cycle then.
func BenchmarkLoad(b *testing.B) {
	w := setup(b)
	const workspaces = 100_000
	w.exec(`INSERT INTO sluice.workspaces (id, name, plan) SELECT gen_random_uuid(), 'w', 'STARTER' FROM generate_series(1, $1)`, workspaces)
	w.exec(`INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT id, 'd' FROM sluice.workspaces`)
	w.exec(`INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow) SELECT id, 1, '{}' FROM sluice.workflow_definitions ON CONFLICT DO NOTHING`)
	w.exec(`INSERT INTO sluice.pending (id, workspace_id, workflow_definition_id, enqueued_by, input)
		SELECT sluice.uuid_v7(), d.workspace_id, d.id, 'bench', '{}' FROM sluice.workflow_definitions d, generate_series(1, 5)`)
	w.exec(`VACUUM ANALYZE sluice.pending, sluice.workspaces, sluice.workflow_definitions`)
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := w.newProcess()
		p.Engine = dispatch.New(p.pool).Of(0)
		began := time.Now()
		require.Equal(b, 128, p.plan(128).Items)
		loaded := time.Since(began)
		p.claim()
		p.begin()
		const cycles = 20
		began = time.Now()
		for range cycles {
			require.Equal(b, 128, p.plan(128).Items)
			p.claim()
			p.begin()
		}
		cycle := time.Since(began) / cycles
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(loaded.Seconds(), "load-s")
		b.ReportMetric(float64(cycle.Microseconds())/1000, "cycle-ms")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "heap-MB")
		runtime.KeepAlive(p)
		w.exec(`UPDATE sluice.running SET dispatched_at = now()`) // or the next process would take them up
	}
}
