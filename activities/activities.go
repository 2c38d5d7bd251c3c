package activities

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"sluice/queue"
	"sluice/workflows"
)

// Config is what the activities depend on. Queue and Client are required.
type Config struct {
	Queue  *queue.Queue
	Client client.Client
	// Logger is for what happens outside an activity's own context. Defaults to slog.Default().
	Logger *slog.Logger
	// EnsureWorkspace is called just before executions of a workspace are started, so that their task queue is served
	// by the time the first task arrives. It must not block. Defaults to nothing.
	EnsureWorkspace func(uuid.UUID)
	// HTTPClient makes the calls of http nodes. Defaults to a client of its own without a timeout: nodes bring theirs.
	HTTPClient *http.Client
	// StaleAfter is how old a claim must be before recovery takes it for abandoned. Defaults to DefaultStaleAfter.
	StaleAfter time.Duration
}

// DefaultStaleAfter is well above what a dispatch may take (30 s): a dispatcher that lives takes up its claims itself.
const DefaultStaleAfter = time.Minute

// Activities holds the dependencies of all activities. It is safe for concurrent use.
type Activities struct {
	queue           *queue.Queue
	client          client.Client
	logger          *slog.Logger
	ensureWorkspace func(uuid.UUID)
	http            *http.Client
	staleAfter      time.Duration
}

// New returns the activities with their defaults filled in.
func New(c Config) *Activities {
	a := &Activities{
		queue: c.Queue, client: c.Client, logger: c.Logger, ensureWorkspace: c.EnsureWorkspace,
		http: c.HTTPClient, staleAfter: c.StaleAfter,
	}
	if a.logger == nil {
		a.logger = slog.Default()
	}
	if a.ensureWorkspace == nil {
		a.ensureWorkspace = func(uuid.UUID) {}
	}
	if a.http == nil {
		a.http = &http.Client{}
	}
	if a.staleAfter == 0 {
		a.staleAfter = DefaultStaleAfter
	}
	return a
}

// Registry is the part of a worker that takes activities.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// RegisterDefault registers the activities of the dispatcher and of recovery.
func (a *Activities) RegisterDefault(r Registry) {
	register(r, workflows.ActivityOpenEpoch, a.OpenEpoch)
	register(r, workflows.ActivityRetire, a.Retire)
	register(r, workflows.ActivityCheckCapacity, a.CheckCapacity)
	register(r, workflows.ActivityClaimExecutions, a.ClaimExecutions)
	register(r, workflows.ActivityDispatchExecutions, a.DispatchExecutions)
	register(r, workflows.ActivitySpinForWork, a.SpinForWork)
	register(r, workflows.ActivityAwaitWork, a.AwaitWork)
	register(r, workflows.ActivityLogAction, a.LogAction)
	register(r, workflows.ActivitySweepQueue, a.SweepQueue)
	register(r, workflows.ActivityReleaseStaleClaims, a.ReleaseStaleClaims)
	register(r, workflows.ActivityReconcileSlots, a.ReconcileSlots)
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
