package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"

	"sluice/internal/devstack"
	"sluice/internal/operate"
	"sluice/internal/request"
	"sluice/schema"
	"sluice/worker/host"
	"sluice/workflows"
)

// stack is a whole Sluice: both servers on disk, one worker in this process, and the dispatcher.
type stack struct {
	*database
	client client.Client
	plain  plainStarter
	first  string // run id of the first dispatcher
	tasks  firstTasks
	closes closings

	servers   *devstack.Stack
	callbacks http.Handler       // of the worker
	endpoint  *http.Server       // nil: Temporal calls nobody
	leave     context.CancelFunc // ends the worker
	left      chan error
}

// asInProduction: a development server reads the search attributes from its database for each start that carries some, so
// that new ones can be used at once; it is not the default elsewhere.
var asInProduction = map[string]any{"system.forceSearchAttributesCacheRefreshOnRead": false}

// newStack starts one with so many workspaces of one limit; close ends it. The recovery schedule is paused: what it looks
// for does not happen here, and once a minute it would take its part of the machine from what is being measured.
func (b *bench) newStack(ctx context.Context, workspaces, limit int, tunables workflows.Tunables) (*stack, error) {
	return b.newStackThat(ctx, learning{}, workspaces, limit, tunables)
}

// newStackThat is newStack with other ways of learning that workflows have ended.
func (b *bench) newStackThat(ctx context.Context, how learning, workspaces, limit int, tunables workflows.Tunables) (_ *stack, err error) {
	s := &stack{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.servers, err = devstack.Start(ctx, devstack.Config{Dir: filepath.Join(b.dir, fmt.Sprintf("stack-%d", b.next())), Headless: true,
		SearchAttributes: workflows.SearchAttributeTypes(), DynamicConfig: asInProduction, Progress: b.progress})
	if err != nil {
		return nil, err
	}
	if _, err := schema.Migrate(ctx, s.servers.DatabaseURL); err != nil {
		return nil, err
	}
	if s.database, err = openDatabase(ctx, s.servers.DatabaseURL); err != nil {
		return nil, err
	}
	if err := s.populate(ctx, workspaces, limit); err != nil {
		return nil, err
	}
	silent := slog.New(slog.DiscardHandler)
	options := client.Options{HostPort: s.servers.TemporalAddress, Namespace: s.servers.Namespace,
		Logger: sdklog.NewStructuredLogger(silent), Interceptors: []interceptor.ClientInterceptor{&s.tasks}}
	options.ConnectionOptions.DialOptions = []grpc.DialOption{grpc.WithChainUnaryInterceptor(s.closes.intercept)}
	if how.deaf {
		request.Install(&options)
	} else {
		host.Install(&options)
	}
	if s.client, err = client.DialContext(ctx, options); err != nil {
		return nil, fmt.Errorf("dial Temporal: %w", err)
	}
	if s.plain, err = newPlainStarter(s.client); err != nil {
		return nil, err
	}
	if err := b.describe(ctx, s); err != nil {
		return nil, err
	}
	if err := s.work(ctx, how, silent); err != nil {
		return nil, err
	}
	started, err := operate.Start(ctx, s.client, s.servers.Namespace, s.database.pool, workflows.State{Tunables: tunables})
	if err != nil {
		return nil, err
	}
	s.first = started.RunID
	if how.recovers {
		return s, s.warm(ctx)
	}
	recovery := s.client.ScheduleClient().GetHandle(ctx, workflows.RecoveryScheduleID)
	if err := recovery.Pause(ctx, client.SchedulePauseOptions{Note: "benchmark"}); err != nil {
		return nil, fmt.Errorf("pause recovery: %w", err)
	}
	return s, s.warm(ctx)
}

// describe notes what the servers are.
func (b *bench) describe(ctx context.Context, s *stack) error {
	if err := b.sawPostgres(ctx, s.servers.DatabaseURL); err != nil {
		return err
	}
	info, err := s.client.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	if err != nil {
		return fmt.Errorf("ask Temporal for its version: %w", err)
	}
	b.sawTemporal(info.GetServerVersion())
	return nil
}

// work runs the worker. Its workspace workers stay to the end, so that nobody waits for one to start.
func (s *stack) work(ctx context.Context, how learning, log *slog.Logger) error {
	config := host.Config{Client: s.client, Pool: s.worker, Logger: log, IdleTimeout: 24 * time.Hour}
	if how.called {
		later := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.callbacks.ServeHTTP(w, r) })
		if err := s.takeCallbacks("127.0.0.1:0", later); err != nil {
			return err
		}
		config.CallbackURL = "http://" + s.endpoint.Addr + "/ended"
	}
	h, err := host.New(config)
	if err != nil {
		return err
	}
	s.callbacks = h.Callbacks()
	working, leave := context.WithCancel(context.WithoutCancel(ctx))
	s.leave, s.left = leave, make(chan error, 1)
	go func() { s.left <- h.Run(working) }()
	return await(ctx, "the worker is ready", func() (bool, error) { return h.Ready() == nil, nil })
}

// warm runs one execution in each workspace: then all workers are there, and everything is in the caches.
func (s *stack) warm(ctx context.Context) error {
	if _, err := s.enqueue(ctx, len(s.workspaces)); err != nil {
		return err
	}
	return s.awaitEnded(ctx)
}

// enqueue adds so many executions, in turn for all workspaces.
func (s *stack) enqueue(ctx context.Context, n int) (ids []uuid.UUID, err error) {
	for first := 0; first < n; first += bulkItems {
		answers, err := s.app.EnqueueMany(ctx, s.items(first, min(bulkItems, n-first)))
		if err != nil {
			return nil, err
		}
		for _, a := range answers {
			ids = append(ids, a.QueueID)
		}
	}
	return ids, nil
}

// awaitEnded waits until nothing waits and nothing runs.
func (s *stack) awaitEnded(ctx context.Context) error {
	return await(ctx, "all executions have ended", func() (bool, error) {
		open, err := one[int](ctx, s.database, `SELECT (SELECT count(*) FROM sluice.pending) + (SELECT count(*) FROM sluice.running)`)
		return open == 0, err
	})
}

// lastOutcome is when the last of these executions has ended. They must all have completed.
func (s *stack) lastOutcome(ctx context.Context, ids []uuid.UUID) (last time.Time, err error) {
	var completed int
	err = s.pool.QueryRow(ctx, `
		SELECT count(*), max(ended_at) FROM sluice.ended
		WHERE id = ANY ($1) AND status = 'COMPLETED'`, ids).Scan(&completed, &last)
	if err == nil && completed != len(ids) {
		err = fmt.Errorf("%d of %d executions have completed", completed, len(ids))
	}
	return last, err
}

// awaitWaiting waits until the dispatcher has nothing to do and waits in AwaitWork.
func (s *stack) awaitWaiting(ctx context.Context) error {
	return await(ctx, "the dispatcher waits", func() (bool, error) {
		described, err := s.client.DescribeWorkflowExecution(ctx, workflows.DispatcherID, "")
		if err != nil {
			return false, fmt.Errorf("describe the dispatcher: %w", err)
		}
		return slices.ContainsFunc(described.GetPendingActivities(), func(a *workflowpb.PendingActivityInfo) bool {
			return a.GetActivityType().GetName() == workflows.ActivityAwaitWork && a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED
		}), nil
	})
}

// close ends the worker, then the servers.
func (s *stack) close() error {
	var errs []error
	if s.leave != nil {
		s.leave()
		errs = append(errs, <-s.left)
	}
	if s.endpoint != nil {
		errs = append(errs, s.endpoint.Close())
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.database != nil {
		s.database.close()
	}
	if s.servers != nil {
		errs = append(errs, s.servers.Close())
	}
	return errors.Join(errs...)
}

// joinClose closes a stack at the end of a scenario.
func joinClose(err error, s *stack) error { return errors.Join(err, s.close()) }
