package activities

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"sluice/internal/definition"
	"sluice/internal/outbound"
	"sluice/internal/places"
	"sluice/workflows"
)

// failing serves what is never available, and counts the calls.
func failing(t *testing.T) (url string, calls *atomic.Int64) {
	t.Helper()
	calls = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

// recordHeartbeat is Activities.heartbeat in a test environment.
func recordHeartbeat(ctx context.Context, attempts int32) error {
	if ctx.Err() != nil { // its worker is lost, say
		return ctx.Err()
	}
	activity.RecordHeartbeat(ctx, progress{attempts})
	return nil
}

// delivered runs an http node that may make three attempts as Temporal does, by its policy without an end. Each delivery begins with a call
// of begins, with its number, and ends with what that returns, as if its worker was lost. It returns how many there were.
func delivered(t *testing.T, a *Activities, execution uuid.UUID, url string, begins func(delivery int) error) (deliveries int, err error) {
	t.Helper()
	return deliveredTo(t, a, execution, url, func(ctx context.Context, delivery int, r workflows.HTTPRequest) (converter.RawValue, error) {
		if err := begins(delivery); err != nil {
			return converter.RawValue{}, err
		}
		return a.CallHTTP(ctx, r, nil)
	})
}

// deliveredTo is delivered with each delivery made by a function of one's own.
func deliveredTo(t *testing.T, a *Activities, execution uuid.UUID, url string,
	deliver func(ctx context.Context, delivery int, r workflows.HTTPRequest) (converter.RawValue, error)) (deliveries int, err error) {
	t.Helper()
	a.beat = recordHeartbeat
	var suite testsuite.WorkflowTestSuite
	env := newWorkflowEnvironment(&suite)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflows.ExecutionID(execution), TaskQueue: "q"})
	register(env, workflows.ActivityCallHTTP, func(ctx context.Context, r workflows.HTTPRequest) (converter.RawValue, error) {
		deliveries++
		return deliver(ctx, deliveries, r)
	})
	r := workflows.HTTPRequest{Method: "GET", URL: url, Timeout: definition.Duration(time.Minute), Retry: definition.Retry{MaximumAttempts: 3}}
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Hour})
		return workflow.ExecuteActivity(ctx, workflows.ActivityCallHTTP, r).Get(ctx, nil)
	}, workflow.RegisterOptions{Name: workflows.ExecutionType})
	env.ExecuteWorkflow(workflows.ExecutionType)
	require.True(t, env.IsWorkflowCompleted())
	return deliveries, env.GetWorkflowError()
}

// occupied has other workspaces take the one place and wait for it, until free is called.
func occupied(t *testing.T, a *Activities) (free func()) {
	t.Helper()
	one := make(chan struct{})
	a.places = places.New(1, func(_, waiting int) {
		if waiting == 1 {
			close(one)
		}
	})
	leave, err := a.places.Take(t.Context(), uuid.New(), 0)
	require.NoError(t, err)
	waiting, end := context.WithCancel(t.Context())
	waited := make(chan struct{})
	go func() {
		defer close(waited)
		_, _ = a.places.Take(waiting, uuid.New(), 0)
	}()
	<-one
	return func() {
		end()
		<-waited
		leave()
	}
}

func TestACallThatFindsNoPlaceComesAgainAndHasAllItsAttempts(t *testing.T) {
	t.Parallel()
	url, calls := failing(t)
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	free := occupied(t, a)
	deliveries, err := delivered(t, a, id, url, func(delivery int) error {
		if delivery == 6 {
			free()
		}
		return nil
	})
	require.ErrorContains(t, err, "answered 502")
	require.EqualValues(t, 3, calls.Load())
	require.Equal(t, 5+3, deliveries)
}

// Whose call it is cannot be asked while Temporal or Postgres is away.
func TestACallOfWhomIsNotKnownYetIsNoAttempt(t *testing.T) {
	t.Parallel()
	url, calls := failing(t)
	temporal := mocks.NewClient(t)
	temporal.On("DescribeWorkflowExecution", mock.Anything, mock.Anything, mock.Anything).Return(nil, serviceerror.NewUnavailable("away"))
	a := New(Config{Pool: database(t), Client: temporal, Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	settle := func(run string) {
		_, err := a.pool.Exec(t.Context(), `UPDATE sluice.running SET engine_run_id = $2 WHERE id = $1`, id, run)
		require.NoError(t, err)
	}
	settle("another") // then it may be a child's call, and Temporal is asked
	deliveries, err := delivered(t, a, id, url, func(delivery int) error {
		if delivery == 5 {
			settle(testRun)
		}
		return nil
	})
	require.ErrorContains(t, err, "answered 502")
	require.EqualValues(t, 3, calls.Load())
	require.Equal(t, 4+3, deliveries)
}

// Temporal retries without an end, also what was lost with its worker, of which nobody knows whether the call was made.
func TestAnAttemptThatWasLostWithItsWorkerCounts(t *testing.T) {
	t.Parallel()
	url, calls := failing(t)
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	lost := func(last int) func(context.Context, int, workflows.HTTPRequest) (converter.RawValue, error) {
		return func(ctx context.Context, delivery int, r workflows.HTTPRequest) (converter.RawValue, error) {
			response, err := a.CallHTTP(ctx, r, nil)
			if delivery <= last {
				err = errors.New("lost")
			}
			return response, err
		}
	}
	deliveries, err := deliveredTo(t, a, id, url, lost(2))
	require.ErrorContains(t, err, "answered 502")
	require.EqualValues(t, 3, calls.Load())
	require.Equal(t, 3, deliveries)

	deliveries, err = deliveredTo(t, a, id, url, lost(3))
	require.ErrorContains(t, err, "the last of 3 attempts ended with its worker")
	require.EqualValues(t, 3+3, calls.Load())
	require.Equal(t, 4, deliveries)
}

// A worker that is killed says nothing more, but it has said before that the call waits.
func TestACallIsNoAttemptIfItsWorkerIsLostWhileItWaits(t *testing.T) {
	t.Parallel()
	url, calls := failing(t)
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	a.places = places.New(1, func(int, int) {})
	said := make(chan int32, 10)
	leave, err := a.places.Take(t.Context(), uuid.New(), 0)
	require.NoError(t, err)
	id, _ := hold(t, a)
	deliveries, err := deliveredTo(t, a, id, url, func(ctx context.Context, delivery int, r workflows.HTTPRequest) (converter.RawValue, error) {
		if delivery > 4 {
			return a.CallHTTP(ctx, r, nil)
		}
		a.beat = func(ctx context.Context, attempts int32) error {
			defer func() { said <- attempts }()
			return recordHeartbeat(ctx, attempts)
		}
		ctx, lose := context.WithCancel(ctx)
		if delivery == 1 {
			go func() {
				assert.Zero(t, <-said)
				lose()
			}()
		} else { // that it has said so holds for each further delivery, before it is made
			lose()
		}
		_, err := a.CallHTTP(ctx, r, nil)
		if delivery == 4 {
			leave()
		}
		return converter.RawValue{}, err
	})
	require.ErrorContains(t, err, "answered 502")
	require.EqualValues(t, 3, calls.Load())
	require.Equal(t, 4+3, deliveries)
}

// An operator may have it begin anew (temporal activity reset), which leaves what it said last.
func TestACallThatWasResetHasAllItsAttempts(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetHeartbeatDetails(progress{7})
	before := func(ctx context.Context) (int32, error) {
		attempts, known := signsBefore(ctx)
		assert.True(t, known)
		return attempts, nil
	}
	env.RegisterActivity(before)
	value, err := env.ExecuteActivity(before)
	require.NoError(t, err)
	var got int32
	require.NoError(t, value.Get(&got))
	require.Zero(t, got)
}

func TestACallWithoutAnAnswerInTimeSaysSo(t *testing.T) {
	t.Parallel()
	released := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(released) })
	a := New(Config{Pool: database(t), Outbound: outbound.Config{AllowPrivate: true}})
	t.Cleanup(a.Wait)
	id, _ := hold(t, a)
	_, err := callAs(t, a, workflows.ExecutionID(id), workflows.HTTPRequest{Method: "GET", URL: server.URL, Timeout: definition.Duration(50 * time.Millisecond)})
	require.ErrorContains(t, err, "no answer within 50ms")
	require.False(t, isFinal(err))
}
