package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"

	"sluice/workflows"
)

// stepStart is the start of an execution's workflow; the other steps are activities, by their names.
const stepStart = "start"

// step is one thing that a worker process is about to do.
type step struct {
	name string
	// run is the run of the workflow that asks for it.
	run string
	// workflow is the id of the workflow that is started.
	workflow string
}

// meddler is called in place of every step. It decides whether do, the step itself, is called, and what the caller
// hears of it: so a test can crash, hang, fail or lose an answer at the exact step.
type meddler func(ctx context.Context, s step, do func(context.Context) (any, error)) (any, error)

// dial connects a client whose steps, and those of all workers made from it, go through the meddler.
func dial(address, namespace string, meddle meddler) (client.Client, error) {
	identity := "sluice-test"
	if os.Getenv(workerVariable) != "" {
		identity = processIdentity(os.Getpid())
	}
	options := client.Options{HostPort: address, Namespace: namespace, Identity: identity,
		Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly}
	if meddle != nil {
		options.Interceptors = []interceptor.ClientInterceptor{&meddling{meddle: meddle}}
	}
	return client.Dial(options)
}

// processIdentity tells worker processes apart, for Temporal too.
func processIdentity(pid int) string { return fmt.Sprint("sluice-test@", pid) }

// meddled is a client for a host of this test.
func (s *stack) meddled(meddle meddler) client.Client {
	s.t.Helper()
	c, err := dial(s.address, s.namespace, meddle)
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

type meddling struct {
	interceptor.InterceptorBase
	meddle meddler
}

func (m *meddling) InterceptActivity(ctx context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &meddledActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, m.meddle}
}

func (m *meddling) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	return &meddledClient{interceptor.ClientOutboundInterceptorBase{Next: next}, m.meddle}
}

type meddledActivity struct {
	interceptor.ActivityInboundInterceptorBase
	meddle meddler
}

func (m *meddledActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	return m.meddle(ctx, step{name: info.ActivityType.Name, run: info.WorkflowExecution.RunID},
		func(ctx context.Context) (any, error) { return m.Next.ExecuteActivity(ctx, in) })
}

type meddledClient struct {
	interceptor.ClientOutboundInterceptorBase
	meddle meddler
}

func (m *meddledClient) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	if in.WorkflowType != workflows.ExecutionType || !activity.IsActivity(ctx) {
		return m.Next.ExecuteWorkflow(ctx, in)
	}
	started, err := m.meddle(ctx, step{name: stepStart, run: activity.GetInfo(ctx).WorkflowExecution.RunID, workflow: in.Options.ID},
		func(ctx context.Context) (any, error) { return m.Next.ExecuteWorkflow(ctx, in) })
	if err != nil {
		return nil, err
	}
	return started.(client.WorkflowRun), nil
}
