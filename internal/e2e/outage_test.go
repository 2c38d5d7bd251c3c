package e2e

import (
	"context"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"sluice/worker/host"
	"sluice/workflows"
)

// allowConnections opens or closes the stack's database; closing it ends all connections.
func (s *stack) allowConnections(allow bool) {
	s.t.Helper()
	server, err := url.Parse(s.url)
	require.NoError(s.t, err)
	database := server.Path[1:]
	server.Path = "/postgres"
	conn, err := pgx.Connect(s.ctx, server.String())
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, conn.Close(s.ctx)) }()
	word := "false"
	if allow {
		word = "true"
	}
	_, err = conn.Exec(s.ctx, `ALTER DATABASE `+pgx.Identifier{database}.Sanitize()+` ALLOW_CONNECTIONS `+word)
	require.NoError(s.t, err)
	if !allow {
		_, err = conn.Exec(s.ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1`, database)
		require.NoError(s.t, err)
		return
	}
	s.pool.Reset() // the test's own statements, unlike the workers', are not tried again
	require.NoError(s.t, s.pool.Ping(s.ctx))
}

func TestAnOutcomeWaitsUntilPostgresIsBack(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	ids := s.enqueueEach(s.callingWorkspaces(api, 1), 2)
	var inVain atomic.Int32
	s.runMeddled(func(ctx context.Context, at step, do func(context.Context) (any, error)) (any, error) {
		result, err := do(ctx)
		if at.name == workflows.ActivityRecordOutcome && err != nil {
			inVain.Add(1)
		}
		return result, err
	})
	require.Eventually(t, func() bool { return api.callsOf(ids[0]) == 1 }, patience, 10*time.Millisecond)
	s.awaitCount(1, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)

	s.allowConnections(false)
	api.open() // the execution has nothing left to do but to say so
	require.Eventually(t, func() bool { return inVain.Load() >= 3 }, patience, 10*time.Millisecond)
	described, err := s.client.DescribeWorkflowExecution(s.ctx, workflows.ExecutionID(ids[0]), "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, described.WorkflowExecutionInfo.Status, "it holds its slot, so it stays open")

	s.allowConnections(true)
	back := time.Now()
	s.await(ids[0], workflows.StatusCompleted)
	t.Logf("recorded %s after Postgres was back", time.Since(back).Round(time.Millisecond))
	s.completedOnce(ids)
	for _, id := range ids {
		require.Equal(t, 1, api.callsOf(id))
	}
}

func TestWhatIsEnqueuedWhileTemporalIsAwayRunsOnceItIsBack(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	api.open()
	definitions := s.callingWorkspaces(api, 2, 3)
	ids := s.enqueueEach(definitions, 1) // before there was any connection
	temporal := newLink(t, s.address)
	c, err := dial(temporal.address, s.namespace, nil)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	s.host(func(config *host.Config) { config.Client = c })
	s.dispatch(workflows.State{})
	s.awaitCount(len(ids), `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)
	s.awaitWaiting(1)

	temporal.cut()
	waiting := s.enqueueEach(definitions, 4)
	require.Eventually(t, func() bool { return temporal.refusals() > 0 }, patience, 10*time.Millisecond)
	require.Equal(t, len(waiting), s.count(`SELECT count(*) FROM sluice.queue_items WHERE status IN ('PENDING', 'CLAIMED') AND attempt_count = 0`))
	temporal.mend()
	back := time.Now()
	s.completedOnce(append(ids, waiting...))
	t.Logf("all done %s after Temporal was back", time.Since(back).Round(100*time.Millisecond))
}

// The network to Temporal breaks in the middle of a dispatch: the requests are lost, or the answers are.
func TestTheNetworkBreaksInTheMiddleOfADispatch(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "after"} {
		t.Run(when+" "+stepStart, func(t *testing.T) {
			t.Parallel()
			s := newStack(t)
			api := newEndpoint(t)
			api.open()
			ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 4)
			temporal := newLink(t, s.address)
			cut := sync.OnceFunc(temporal.cut)
			c, err := dial(temporal.address, s.namespace, func(ctx context.Context, at step, do func(context.Context) (any, error)) (any, error) {
				if at.name == stepStart && when == "before" {
					cut()
				}
				result, err := do(ctx)
				if at.name == stepStart && when == "after" && err == nil {
					cut()
				}
				return result, err
			})
			require.NoError(t, err)
			t.Cleanup(c.Close)
			s.host(func(config *host.Config) { config.Client = c })
			s.dispatch(workflows.State{})
			require.Eventually(t, func() bool { return temporal.refusals() > 0 }, patience, 10*time.Millisecond)
			require.NotZero(t, s.count(`SELECT count(*) FROM sluice.queue_items WHERE claimed_at IS NOT NULL`), "it was in the middle")
			temporal.mend()
			back := time.Now()
			s.completedOnce(ids)
			t.Logf("all done %s after the network was back", time.Since(back).Round(100*time.Millisecond))
		})
	}
}
