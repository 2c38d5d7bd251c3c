package activities

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
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
	recorder        *queue.Recorder // of what executions report; what is mended goes to the queue itself
	client          client.Client
	logger          *slog.Logger
	ensureWorkspace func(uuid.UUID)
	http            *http.Client
	staleAfter      time.Duration

	eager  *eager
	flying sync.WaitGroup // starts under way

	mu     sync.Mutex
	shards map[int]*shard // whose dispatcher has worked here
}

// shard is what this process keeps for a dispatcher from one step to the next.
type shard struct {
	memory   *queue.Memory
	epoch    int64
	launcher *launcher // of the run with that epoch: what an earlier run has under way is not waited for
}

// New returns the activities with their defaults filled in.
func New(c Config) *Activities {
	a := &Activities{
		queue: c.Queue, recorder: queue.NewRecorder(c.Queue), client: c.Client, logger: c.Logger, ensureWorkspace: c.EnsureWorkspace,
		http: c.HTTPClient, staleAfter: c.StaleAfter, eager: &eager{client: c.Client}, shards: map[int]*shard{},
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

// Leave gives the first tasks of all further starts to the task queues, and returns when no start can bring one back that
// this process would have to run. Call it before the workspaces' workers stop: what comes back to a stopped one is lost
// until its timeout.
func (a *Activities) Leave() { a.eager.leave() }

// Wait returns when the starts that have outlived their dispatch have ended and are settled, after startTimeout and
// settleTimeout at most. Call it when the default worker has stopped.
func (a *Activities) Wait() { a.flying.Wait() }

func (a *Activities) memory(shard int) *queue.Memory {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.shard(shard)
	if s.memory == nil {
		s.memory = a.queue.Shard(shard).Memory()
	}
	return s.memory
}

func (a *Activities) launcher(shard int, epoch int64) *launcher {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.shard(shard)
	if s.launcher == nil || s.epoch < epoch {
		s.epoch, s.launcher = epoch, newLauncher(a.start, a.settle, &a.flying)
		if s.memory != nil {
			s.memory.Doubt() // what an earlier run has under way may come to nothing
		}
	}
	if s.epoch > epoch {
		return newLauncher(a.start, a.settle, &a.flying) // a dispatch of an overtaken run
	}
	return s.launcher
}

// shard needs mu.
func (a *Activities) shard(n int) *shard {
	s := a.shards[n]
	if s == nil {
		s = &shard{}
		a.shards[n] = s
	}
	return s
}

func (a *Activities) settle(ctx context.Context, started []queue.Started) error {
	if len(started) == 0 {
		return nil
	}
	return a.queue.Settle(ctx, started)
}

// Registry is the part of a worker that takes activities.
type Registry interface {
	RegisterActivityWithOptions(a any, options activity.RegisterOptions)
}

// RegisterDefault registers the activities of the dispatcher and of recovery.
func (a *Activities) RegisterDefault(r Registry) {
	register(r, workflows.ActivityOpenEpoch, a.OpenEpoch)
	register(r, workflows.ActivityRetire, a.Retire)
	register(r, workflows.ActivityPassCycle, a.PassCycle)
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
