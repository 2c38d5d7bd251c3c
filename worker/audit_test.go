package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/connect"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/workflows"
)

// audits runs the auditor of one worker until the returned stop is called, and shows its page of metrics and its log.
func audits(t *testing.T, pool *pgxpool.Pool, temporal client.Client) (page func() string, logged *output, stop func()) {
	t.Helper()
	m, err := newMetrics()
	require.NoError(t, err)
	t.Cleanup(m.close)
	logged = &output{}
	a := &auditor{pool: pool, temporal: temporal, interval: 100 * time.Millisecond, grace: 100 * time.Millisecond,
		log: newLogger(logged, "json", slog.LevelInfo, false), gauges: newAuditGauges(m.registry)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.run(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	t.Cleanup(stop)
	return func() string {
		answer := httptest.NewRecorder()
		m.page().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return answer.Body.String()
	}, logged, stop
}

func TestAuditIsAMetric(t *testing.T) {
	t.Parallel()
	pool, err := store.Open(t.Context(), migrated(t), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	temporal, err := connect.Temporal(t.Context(), client.Options{HostPort: address, Namespace: namespace, Logger: sdkLogger(slog.New(slog.DiscardHandler))},
		connect.Wait{Patience: time.Minute})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	shows := func(page func() string, line string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(page(), "\n"+line) }, time.Minute, 20*time.Millisecond, "never: %s", line)
	}

	first, logged, stop := audits(t, pool, temporal)
	shows(first, `sluice_audit_violations{invariant="3"} 0`)
	shows(first, `sluice_audit_unchecked{invariant="3"} 0`)
	shows(first, `sluice_audit_completed_timestamp_seconds 1.`)
	ghost := uuid.New()
	_, err = pool.Exec(t.Context(), `INSERT INTO sluice.running
		(id, workspace_id, workflow_definition_id, priority, attempt_count, created_at, available_at, claimed_at, trigger_type, enqueued_by, input)
		VALUES ($1, gen_random_uuid(), gen_random_uuid(), 3, 0, now(), now(), now(), 'TEST', 'test', '{}')`, ghost)
	require.NoError(t, err)
	shows(first, `sluice_audit_violations{invariant="3"} 1`)
	shows(first, `sluice_audit_violations{invariant="2"} 0`)
	require.Eventually(t, func() bool { return strings.Contains(logged.String(), ghost.String()) }, time.Minute, time.Millisecond, "the log comes after the metric")

	second, _, _ := audits(t, pool, temporal)
	_, err = pool.Exec(t.Context(), `DELETE FROM sluice.running`)
	require.NoError(t, err)
	shows(first, `sluice_audit_violations{invariant="3"} 0`)
	require.Equal(t, 1, strings.Count(logged.String(), ghost.String()), "logged once: %s", logged)
	require.NotContains(t, second(), "sluice_audit", "one of all workers audits")
	stop()
	shows(second, `sluice_audit_violations{invariant="3"} 0`)

	_, err = pool.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	require.NoError(t, err)
	third, _, _ := audits(t, pool, temporal)
	require.Eventually(t, func() bool { // one of both takes the lock of the session that has died
		return strings.Contains(third(), "sluice_audit_violations") != strings.Contains(second(), "sluice_audit_violations")
	}, time.Minute, 20*time.Millisecond)
}
