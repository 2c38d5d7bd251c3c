package activities

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"sluice/workflows"
)

// reconciling is an environment with a Reconcile, and what it asks for.
func reconciling(pool *pgxpool.Pool, c client.Client) (*testsuite.TestActivityEnvironment, *Activities) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := New(Config{Pool: pool, Client: c, Logger: slog.New(slog.DiscardHandler)})
	env.RegisterActivity(a.Reconcile)
	return env, a
}

var aMoment = workflows.ReconcileRequest{For: workflows.Duration(300 * time.Millisecond), Every: 1}

func TestReconcileGoesOnWhileTemporalListsNothing(t *testing.T) {
	t.Parallel()
	temporal := &mocks.Client{}
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, errors.New("visibility is away")).Twice()
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil)
	env, a := reconciling(database(t), temporal)
	_, err := env.ExecuteActivity(a.Reconcile, aMoment)
	require.NoError(t, err)
	require.Greater(t, len(temporal.Calls), 2)

	_, err = env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{})
	require.NoError(t, err)
	before := len(temporal.Calls)
	temporal.ExpectedCalls = nil
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, errors.New("visibility is away"))
	_, err = env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{})
	require.ErrorContains(t, err, "visibility is away", "one that was asked for one pass says that it is not complete")
	require.Len(t, temporal.Calls, before+1)
}

func TestReconcileLeavesADatabaseThatIsAwayToARetry(t *testing.T) {
	t.Parallel()
	pool := database(t)
	env, a := reconciling(pool, &mocks.Client{})
	pool.Close()
	_, err := env.ExecuteActivity(a.Reconcile, aMoment)
	require.ErrorContains(t, err, "closed pool")
	var refused *temporal.ApplicationError
	require.ErrorAs(t, err, &refused)
	require.False(t, refused.NonRetryable())
}

func TestReconcileOfAWorkerThatStopsIsTakenOverAtOnce(t *testing.T) {
	t.Parallel()
	stopped := make(chan struct{})
	close(stopped)
	c := &mocks.Client{}
	c.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil)
	env, a := reconciling(database(t), c)
	env.SetWorkerStopChannel(stopped)
	_, err := env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{For: workflows.Duration(time.Hour)})
	var stopping *temporal.ApplicationError
	require.ErrorAs(t, err, &stopping)
	require.Equal(t, "WorkerStopping", stopping.Type())
	require.Equal(t, time.Millisecond, stopping.NextRetryDelay())
}
