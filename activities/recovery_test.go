package activities

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// reconciling is an environment with a Reconcile, and what it asks for.
func reconciling(pool *pgxpool.Pool, c client.Client) (*testsuite.TestActivityEnvironment, *Activities) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	if m, ok := c.(*mocks.Client); ok {
		known(pool, m)
	}
	a := New(Config{Pool: pool, Client: c, Logger: slog.New(slog.DiscardHandler)})
	env.RegisterActivity(a.Reconcile)
	return env, a
}

// known has the namespace name the database, as its dispatcher does.
func known(pool *pgxpool.Pool, m *mocks.Client) {
	named := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	installation, err := catalog.ReadInstallation(context.Background(), pool)
	for key, value := range pairing.Memo(installation) {
		payload, encoding := converter.GetDefaultDataConverter().ToPayload(value)
		named.Fields[key], err = payload, errors.Join(err, encoding)
	}
	m.On("DescribeWorkflowExecution", mock.Anything, workflows.DispatcherID, "").Return(&workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Memo: named}}, err)
}

var aMoment = workflows.ReconcileRequest{For: workflows.Duration(300 * time.Millisecond), Every: 1}

func TestReconcileGoesOnWhileTemporalListsNothing(t *testing.T) {
	t.Parallel()
	temporal := &mocks.Client{}
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, errors.New("visibility is away")).Twice()
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.ListWorkflowExecutionsResponse{}, nil)
	pool := database(t)
	env, a := reconciling(pool, temporal)
	_, err := env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{For: workflows.Duration(5 * time.Second), Every: 1}) // on a busy machine a pass takes its time
	require.NoError(t, err)
	require.Greater(t, len(temporal.Calls), 4)

	_, err = env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{})
	require.NoError(t, err)
	before := len(temporal.Calls)
	temporal.ExpectedCalls = nil
	known(pool, temporal)
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(nil, errors.New("visibility is away"))
	_, err = env.ExecuteActivity(a.Reconcile, workflows.ReconcileRequest{})
	require.ErrorContains(t, err, "visibility is away", "one that was asked for one pass says that it is not complete")
	require.Len(t, temporal.Calls, before+2)
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

func TestNothingIsRecoveredInANamespaceThatIsNotTheDatabases(t *testing.T) {
	t.Parallel()
	pool := database(t)
	c := &mocks.Client{}
	c.On("DescribeWorkflowExecution", mock.Anything, workflows.DispatcherID, "").Return(nil, serviceerror.NewNotFound("none"))
	env, a := reconciling(pool, c)
	_, err := pool.Exec(t.Context(), `UPDATE sluice.installation SET id = NULL, namespace = NULL, namespace_id = NULL`)
	require.NoError(t, err)
	env.RegisterActivity(a.Sweep)
	env.RegisterActivity(a.ReleaseStaleClaims)
	env.RegisterActivity(a.TakeOver)
	_, err = env.ExecuteActivity(a.Reconcile, aMoment)
	require.ErrorContains(t, err, pairing.ErrUnpaired.Error())
	_, err = env.ExecuteActivity(a.Sweep)
	require.ErrorContains(t, err, pairing.ErrUnpaired.Error())
	_, err = env.ExecuteActivity(a.ReleaseStaleClaims)
	require.ErrorContains(t, err, pairing.ErrUnpaired.Error())
	_, err = env.ExecuteActivity(a.TakeOver, 0, "run", 0)
	require.ErrorContains(t, err, pairing.ErrUnpaired.Error())
}
