package activities

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"sluice/internal/callback"
	"sluice/internal/dispatch"
	"sluice/internal/metric"
	"sluice/internal/outbound"
	"sluice/internal/pairing"
	"sluice/internal/places"
	"sluice/internal/recovery"
	"sluice/internal/request"
	"sluice/internal/store"
	"sluice/workflows"
)

// Config is what the activities depend on. Pool and Client are required.
type Config struct {
	// Pool holds connections to the database with Sluice's schema; it stays the caller's to close.
	Pool   *pgxpool.Pool
	Client client.Client
	// Logger is for what happens outside an activity's own context. Defaults to slog.Default().
	Logger *slog.Logger
	// EnsureWorkspace is called just before executions are started on the task queue of a workspace, so that it is served
	// by the time the first task arrives: with the type of a workflow of one's own, or with none for definitions. It must not block.
	// Defaults to nothing.
	EnsureWorkspace func(workspace uuid.UUID, workflowType string)
	// Outbound says which addresses http nodes may reach beside those of the public internet. Defaults to none.
	Outbound outbound.Config
	// HTTPClient brings the transport that makes the connections of http nodes, if it has one: Outbound then says nothing.
	// Defaults to one that Outbound holds for.
	HTTPClient *http.Client
	// Calls is how many calls of http nodes are made at once. Defaults to DefaultCalls.
	Calls int
	// SecretsDir has the workspaces' secrets, see outbound.Secrets. Defaults to none.
	SecretsDir string
	// StaleAfter is how old a claim must be before recovery takes it for abandoned. Defaults to recovery.DefaultStaleAfter.
	StaleAfter time.Duration
	// CallbackURL is what Temporal calls when a workflow of a caller's own has ended, see Callbacks. Defaults to none.
	CallbackURL string
	// Metrics counts what happens outside of activities, which defaults to nowhere, and shows how many workspaces wait, which defaults
	// to the activities' own handlers.
	Metrics client.MetricsHandler
}

// DefaultCalls lets a workspace alone make 100 calls at once.
const DefaultCalls = 500

// Activities holds the dependencies of all activities. It is safe for concurrent use.
type Activities struct {
	pool            *pgxpool.Pool
	log             *slog.Logger
	recorder        *store.Recorder
	engines         *dispatch.Engines
	recovery        *recovery.Recovery
	hints           *recovery.Hints
	callbacks       *callback.Endpoint
	namespace       atomic.Pointer[string] // nil: not known yet
	client          client.Client
	ensureWorkspace func(uuid.UUID, string)
	transport       http.RoundTripper
	secrets         outbound.Secrets
	places          *places.Places                                  // for calls of http nodes
	beat            func(ctx context.Context, attempts int32) error // heartbeat

	eager   *eager
	sender  *request.Sender
	alone   alone
	waiting *waiting
	flying  sync.WaitGroup // starts and settles under way

	mu        sync.Mutex
	launchers map[int]*launcher // by shard
}

// New returns the activities with their defaults filled in.
func New(c Config) *Activities {
	engines := dispatch.New(c.Pool)
	a := &Activities{
		pool: c.Pool, recorder: store.NewRecorder(c.Pool, engines.Freed), engines: engines, client: c.Client,
		ensureWorkspace: c.EnsureWorkspace, secrets: outbound.Secrets{Dir: c.SecretsDir}, eager: &eager{client: c.Client}, sender: request.NewSender(c.Client), waiting: newWaiting(c.Metrics, forgetWaiting), launchers: map[int]*launcher{},
	}
	logger := c.Logger
	if logger == nil {
		logger = slog.Default()
	}
	a.beat = a.heartbeat
	outside := cmp.Or(c.Metrics, client.MetricsNopHandler)
	a.places = places.New(cmp.Or(c.Calls, DefaultCalls), func(taken, waiting int) {
		metric.HTTPCallPlaces.Set(outside, float64(taken), "calling")
		metric.HTTPCallPlaces.Set(outside, float64(waiting), "waiting")
	})
	engines.LogTo(logger)
	a.log = logger
	if a.ensureWorkspace == nil {
		a.ensureWorkspace = func(uuid.UUID, string) {}
	}
	if c.HTTPClient != nil {
		a.transport = c.HTTPClient.Transport
	}
	if a.transport == nil {
		a.transport = outbound.NewTransport(c.Outbound)
	}
	a.recovery = recovery.New(recovery.Config{
		DB: c.Pool, Client: c.Client, Logger: logger, Metrics: a.metricsOf(c.Metrics), Namespace: a.namespaceOf, StaleAfter: c.StaleAfter, Freed: engines.Freed,
	})
	a.hints = recovery.NewHints(a.recovery)
	a.callbacks = callback.New(callback.Config{DB: c.Pool, URL: c.CallbackURL, Look: a.lookCalled, Logger: logger, Metrics: c.Metrics})
	return a
}

// paired returns an error unless the database is that of the namespace. It may have been given to another one since the process
// began, in which every execution is missing here.
func (a *Activities) paired(ctx context.Context) error { return pairing.Check(ctx, a.client, a.pool) }

// Leave gives the first tasks of all further starts to the task queues, and returns when no start can bring one back that
// this process would have to run. Call it before the workspaces' workers stop: what comes back to a stopped one is lost
// until its timeout.
func (a *Activities) Leave() { a.eager.leave() }

// Wait returns when the starts that have outlived their dispatch have ended and are settled, and what was said of ends has been looked
// at, after startTimeout and settleTimeout at most. Call it when the default worker has stopped.
func (a *Activities) Wait() {
	a.hints.Close()
	a.flying.Wait()
	if transport, ok := a.transport.(*http.Transport); ok {
		transport.CloseIdleConnections()
	}
}

// launcher is that of a run of a shard's dispatcher: what an earlier run has under way is not waited for.
func (a *Activities) launcher(shard int, run int64) *launcher {
	a.mu.Lock()
	defer a.mu.Unlock()
	l := a.launchers[shard]
	if l != nil && l.run == run {
		return l
	}
	next := newLauncher(run, a.start, a.settle, a.setAside, a.engines.Of(shard).Recheck, &a.flying)
	if l == nil || l.run < run { // otherwise it is for a step of a run that was overtaken
		a.launchers[shard] = next
	}
	return next
}

// Registry is the part of a worker that takes activities.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// RegisterDefault registers the activities of the dispatcher and of recovery, for these alone.
func (a *Activities) RegisterDefault(r Registry) {
	for name, step := range map[string]any{
		workflows.ActivityTakeOver: a.TakeOver, workflows.ActivityRetire: a.Retire, workflows.ActivityCheckCapacity: a.CheckCapacity,
		workflows.ActivityClaimExecutions: a.ClaimExecutions, workflows.ActivityDispatchExecutions: a.DispatchExecutions,
		workflows.ActivityAwaitWork: a.AwaitWork, workflows.ActivityLogAction: a.LogAction,
	} {
		register(r, name, a.onlyOf(workflows.DispatcherType, step))
	}
	for name, step := range map[string]any{
		workflows.ActivitySweep: a.Sweep, workflows.ActivityReleaseStaleClaims: a.ReleaseStaleClaims, workflows.ActivityReconcile: a.Reconcile,
	} {
		register(r, name, a.onlyOf(workflows.RecoveryType, step))
	}
}

// RegisterExternal registers the activities that call the outside world.
func (a *Activities) RegisterExternal(r Registry) {
	register(r, workflows.ActivityCallHTTP, a.CallHTTP)
}

// RegisterWorkspace registers what executions call as local activities on their workspace's worker.
func (a *Activities) RegisterWorkspace(r Registry) {
	register(r, workflows.ActivityRecordOutcome, a.RecordOutcome)
}

func register(r Registry, name string, function any) {
	r.RegisterActivityWithOptions(function, activity.RegisterOptions{Name: name})
}
