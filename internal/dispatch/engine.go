package dispatch

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"sluice/internal/admission"
	"sluice/internal/store"
)

// Engines are the engines of the shards whose dispatchers work in this process.
type Engines struct {
	pool      *pgxpool.Pool
	log       *slog.Logger
	workflows *workflows
	listening atomic.Int64 // connections that listeners hold

	mu  sync.Mutex
	all map[int]*Engine
}

// New returns the engines of a database whose schema is migrated. The pool stays the caller's to close.
func New(pool *pgxpool.Pool) *Engines {
	return &Engines{pool: pool, log: slog.Default(), workflows: &workflows{}, all: map[int]*Engine{}}
}

// LogTo has the engines tell of single items that stand in the way there, and not to slog.Default(). Call it before Of.
func (e *Engines) LogTo(log *slog.Logger) { e.log = log }

// Of is the engine of a shard.
func (e *Engines) Of(shard int) *Engine {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all[shard] == nil {
		e.all[shard] = newEngine(e, shard)
	}
	return e.all[shard]
}

// Freed tells the engines what this process has recorded, see store.Freed. They hear of it from Postgres too, a little later.
func (e *Engines) Freed(executions []uuid.UUID, since, at time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, engine := range e.all {
		engine.freed(executions, since, at)
	}
}

// Engine decides and claims for the dispatcher of one shard. It is safe for concurrent use; its calls wait for one another.
type Engine struct {
	engines *Engines
	pool    *pgxpool.Pool
	shard   int
	woken   chan struct{} // something was freed in this process

	hintMu sync.Mutex
	hints  []hint

	mu      sync.Mutex
	cache   cache
	plan    plan
	locked  []lockedItem
	doubled []pick               // rows of items that hold a slot, found by the last plan
	told    map[uuid.UUID]string // what was last logged of an item
	waiting waiting
	sweep   sweep
	lost    int // turns that others have taken first, see mostLost

	allotment allotment
}

func newEngine(e *Engines, shard int) *Engine {
	return &Engine{engines: e, pool: e.pool, shard: shard, woken: make(chan struct{}, 1), cache: newCache(), waiting: waiting{doubtful: true}}
}

// lock takes the engine, until the function that it returns is called. What a panic has left of the cache is not used any more.
func (e *Engine) lock() (unlock func()) {
	e.mu.Lock()
	return func() {
		defer e.mu.Unlock()
		if r := recover(); r != nil {
			e.cache.known, e.plan, e.waiting.doubtful = false, plan{}, true
			panic(r)
		}
	}
}

// Outlook is what a plan says.
type Outlook struct {
	Items     int                      // that the next claim takes
	Unstarted int                      // claims that wait for a start
	Waiting   map[admission.Reason]int // workspaces that are granted nothing
	Left      map[Kept]int             // workspaces with items that the plan leaves waiting
	Shards    int                      // how many there are
	// DueIn is how long until a workspace with a free slot gets its next item or its next token, or a start is tried again; zero
	// when there is none. So is how long until a pause or a limit for a time ends.
	DueIn time.Duration
}

// Plan decides who may start how many, at most batch in all, and which items that are. Claim takes them. The run is the turn
// with which the caller's run took the shard over; store.ErrFenced says that another has.
//
// What the cache knows is enough as long as it has been brought up to date lately, as each claim does; otherwise, and where it
// leaves the batch empty, Postgres is asked what is new.
func (e *Engine) Plan(ctx context.Context, run int64, batch int) (Outlook, error) {
	defer e.lock()()
	e.putBack()
	e.takeHints()
	if e.cache.known && e.cache.run == run && time.Since(e.cache.heard) < fresh {
		if err := e.fillBatch(ctx, batch); err != nil {
			return Outlook{}, err
		}
	}
	if err := e.twice(ctx); err != nil {
		return Outlook{}, err
	}
	for len(e.plan.taken) == 0 {
		if err := e.upToDate(ctx, run, batch); err != nil {
			return Outlook{}, err
		}
		if err := e.fillBatch(ctx, batch); err != nil {
			return Outlook{}, err
		}
		if err := e.twice(ctx); err != nil {
			return Outlook{}, err
		}
		if len(e.plan.taken) > 0 || !e.wantsAllotment(batch) {
			break
		}
		if changed, err := e.askForAllotment(ctx, batch); err != nil {
			return Outlook{}, err
		} else if !changed {
			break
		}
	}
	return e.outlook(run), e.tellIfShort(ctx, batch)
}

// fresh is for how long a plan may rest on what was heard before.
const fresh = time.Second

// fillBatch decides, and reads lines further, until the batch is full or nothing more is known to be ready.
func (e *Engine) fillBatch(ctx context.Context, batch int) error {
	for e.cache.known {
		e.decide(batch)
		n := len(e.plan.taken)
		if n == batch || len(e.cache.hungry) == 0 || n >= e.cache.in.Global.Limit-e.cache.in.Global.Used {
			return nil // there is no more to give, or no more to read
		}
		e.putBack()
		if err := e.scanHungry(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// upToDate makes the cache know everything that has happened until now, and that the run owns the shard.
func (e *Engine) upToDate(ctx context.Context, run int64, batch int) error {
	if e.cache.known {
		if err := e.hear(ctx, batch); err != nil {
			return err
		}
	}
	if e.cache.in.Late() {
		e.cache.known = false
	}
	if !e.cache.known || run != e.cache.run { // the journal may be another by now
		if err := e.load(ctx); err != nil {
			return err
		}
	}
	if run != e.cache.run {
		return store.Wrap(store.ErrFenced, "plan")
	}
	return nil
}

func (e *Engine) outlook(run int64) Outlook {
	e.plan.run = run
	d := &e.plan.decision
	return Outlook{
		Items: len(e.plan.taken), Unstarted: e.waiting.count(), Waiting: d.Waiting, Left: e.cache.leave(), Shards: e.cache.shards,
		DueIn: sooner(sooner(d.RateDue, e.cache.dueIn()), sooner(sooner(e.lockedDueIn(), e.waiting.dueIn()), e.cache.changesIn())),
	}
}

// sooner is the shorter of two times until something, zero meaning never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
