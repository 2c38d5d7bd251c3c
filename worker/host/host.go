package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/worker"

	"sluice/activities"
	"sluice/internal/admitted"
	"sluice/internal/outbound"
	"sluice/internal/store/fleet"
	"sluice/workflows"
)

// Host runs the workers of one process. Make it with New, run it once.
type Host struct {
	cfg        Config
	own        ownTypes
	log        *slog.Logger
	activities *activities.Activities
	workspaces *workspaces
	started    atomic.Bool     // Run was called
	inHand     context.Context // of the activities of workspaces; it ends when they are cut off
	cut        context.CancelCauseFunc
	stopping   chan struct{} // closed when Run begins to stop, for activities that want to know
	self       fleet.Worker
	polling    atomic.Bool // the default and the external-API worker poll
	unpaired   atomic.Bool // it waits for starter start
	leaving    atomic.Bool // Run is about to return
}

// New checks the configuration, with the types that are registered, and prepares a host. Nothing is contacted before Run.
func New(cfg Config) (*Host, error) {
	cfg = cfg.withDefaults()
	own, err := learnTypes(cfg, func(r worker.Registry) {
		workflows.RegisterWorkspace(r)
		new(activities.Activities).RegisterWorkspace(r)
	})
	if err := errors.Join(cfg.validate(), err); err != nil {
		return nil, fmt.Errorf("invalid host configuration: %w", err)
	}
	h := &Host{cfg: cfg, own: own, log: cfg.Logger, stopping: make(chan struct{})}
	h.workspaces = newWorkspaces(cfg.workspaceLimit(),
		rules{turn: cfg.TurnInterval, grace: min(idleGrace, cfg.IdleTimeout), idle: cfg.IdleTimeout}, cfg.PollInterval, cfg.Logger)
	h.inHand, h.cut = context.WithCancelCause(context.Background())
	h.self = fleet.Worker{ID: uuid.New(), Identity: identity(), WorkflowTypes: own.workflows, ActivityTypes: own.activities,
		AnyWorkflow: own.anyWorkflow, AnyActivity: own.anyActivity}
	h.workspaces.ask = h.newRecord().ask
	h.workspaces.start = h.startWorkspace
	h.activities = activities.New(activities.Config{
		Pool: cfg.Pool, Client: cfg.Client, Logger: cfg.Logger, EnsureWorkspace: h.ensure,
		Outbound: outbound.Config{AllowPrivate: cfg.AllowPrivateAddresses, Allow: cfg.AllowAddresses}, HTTPClient: cfg.HTTPClient,
		Calls: cfg.ExternalConcurrency, SecretsDir: cfg.SecretsDir, CallbackURL: cfg.CallbackURL, Metrics: cfg.Metrics,
	})
	return h, nil
}

// Callbacks is what Temporal calls at CallbackURL. It can be served from New on until Run has returned, and by hosts that have no
// CallbackURL too.
func (h *Host) Callbacks() http.Handler { return h.activities.Callbacks() }

// EnsureWorkspace says that a workspace is about to have work, so that its worker starts now and not at the next look
// at the queue. It does not block, and losing it costs one PollInterval.
func (h *Host) EnsureWorkspace(id uuid.UUID) {
	if !h.cfg.WithoutWorkspaces {
		h.workspaces.ensure(id)
	}
}

// ensure is EnsureWorkspace for a workflow of one's own, unless its type is not one of this process': its worker is elsewhere.
func (h *Host) ensure(workspace uuid.UUID, workflowType string) {
	if workflowType == "" || h.own.anyWorkflow || slices.Contains(h.own.workflows, workflowType) {
		h.EnsureWorkspace(workspace)
	}
}

// Ready returns nil when this process does its work, else what is missing.
func (h *Host) Ready() error {
	if h.unpaired.Load() {
		return nil // there is nothing to do
	}
	if !h.polling.Load() {
		return errors.New("the default and the external-API worker do not poll Temporal yet")
	}
	if err := h.workspaces.ready(); err != nil && !h.cfg.WithoutWorkspaces {
		return fmt.Errorf("workspaces with work are not known: %w", err)
	}
	return nil
}

// Stats say how far the workspace workers fill their budget.
func (h *Host) Stats() Stats { return h.workspaces.snapshot() }

// Run starts the workers and blocks until ctx ends; then it lets them finish their tasks, in the order
// workspaces, external API, default, and returns nil, or ErrDrain when ShutdownTimeout was too short. It returns
// earlier, after the same drain, with the error of a default or external-API worker that cannot go on. Until starter start has
// paired the database with the client's namespace it polls nothing; it returns pairing's error if they belong to others.
func (h *Host) Run(ctx context.Context) error {
	if h.started.Swap(true) {
		return errors.New("a host runs once: make another one with New")
	}
	if admitted.Installed(ctx, h.cfg.Client) {
		return errors.New("the host's client is one of admit.Install, which shows it workflows that have not been started: dial another one for the host")
	}
	defer h.workspaces.close()
	defer h.cut(worker.ErrWorkerShutdown)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	namespace, err := h.awaitPair(ctx)
	if err != nil {
		return err
	}
	deaf := h.listenForEnds(ctx, namespace)
	defer deaf()
	var fixed []worker.Worker // in the order to stop in
	for _, f := range []fixedWorker{
		{"default", h.newDefault},
		{"external-API", h.newExternal},
	} {
		w, err := h.startFixed(ctx, f, end)
		if err != nil {
			return errors.Join(err, h.stopFixed(fixed, h.cfg.ShutdownTimeout))
		}
		if w != nil { // nil: ctx ended first
			fixed = append([]worker.Worker{w}, fixed...)
		}
	}
	if ctx.Err() == nil {
		h.polling.Store(true)
		h.log.Info("workers started", "workspacesAtMost", h.workspaces.limit, "pollBudget", h.cfg.PollBudget)
	}
	leave := context.AfterFunc(ctx, func() { h.polling.Store(false) })
	defer leave()
	if h.cfg.WithoutWorkspaces {
		<-ctx.Done()
	} else {
		h.workspaces.run(ctx)
	}

	began := time.Now()
	h.leaving.Store(true)
	close(h.stopping)
	for _, w := range fixed {
		if w, ok := w.(*drainingWorker); ok {
			go w.settle() // all at once; its Stop waits for it
		}
	}
	h.activities.Leave()
	h.leaveRecord()
	drained := h.workspaces.drain(h.cfg.ShutdownTimeout/2, func() { h.cut(worker.ErrWorkerShutdown) })
	stopped := h.stopFixed(fixed, h.cfg.ShutdownTimeout-time.Since(began))
	deaf()
	h.activities.Wait()
	var fatal *fatalError
	errors.As(context.Cause(ctx), &fatal)
	return errors.Join(fatal.orNil(), drained, stopped)
}
