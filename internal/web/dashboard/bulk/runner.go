package bulk

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/store"
)

const (
	// Most is how many operations go on at once: each may be about millions of items.
	Most = 4
	// remembered is how many are known, those that are over included.
	remembered = 100
)

// Order is what is to be done to which items, by whom and why.
type Order struct {
	Selection admin.Selection
	Place     admin.Place // of items that are reprioritized
	Actor     string
	Reason    string
	Items     string // the address of the list of these items
}

// Operation is how one stands.
type Operation struct {
	Order
	ID      uuid.UUID
	Began   time.Time
	Ended   time.Time // zero: it goes on
	Done    int64     // so many items were changed, or asked to end
	Stopped bool      // somebody has stopped it
	Outcome Outcome   // once it has ended
	Err     error     // why it did not come to its end
}

// GoesOn tells whether it has not ended.
func (o Operation) GoesOn() bool { return o.Ended.IsZero() }

// Runner runs operations.
type Runner struct {
	do    func(ctx context.Context, o Order, progress admin.Progress) (Outcome, error)
	ctx   context.Context
	close context.CancelFunc
	going sync.WaitGroup

	mu   sync.Mutex
	list []*operation // oldest first
}

// operation is one with what stops it. The runner's mutex guards it.
type operation struct {
	Operation
	stop context.CancelFunc
}

// New returns a Runner. Dial connects to Temporal, and is called only where something runs.
func New(pool *pgxpool.Pool, dial func(context.Context) (client.Client, error)) *Runner {
	w := worker{pool, admin.New(pool), dial}
	return newRunner(w.do)
}

func newRunner(do func(context.Context, Order, admin.Progress) (Outcome, error)) *Runner {
	r := &Runner{do: do}
	r.ctx, r.close = context.WithCancel(context.Background())
	return r
}

// Start begins an operation, and returns by what it is known.
func (r *Runner) Start(o Order) (uuid.UUID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return uuid.Nil, store.Invalid("the worker is stopping; try again when it is back")
	}
	going := 0
	for _, other := range r.list {
		if other.GoesOn() {
			going++
		}
	}
	if going >= Most {
		return uuid.Nil, store.Invalid("%d bulk operations go on already: wait for one, or stop one", going)
	}
	ctx, stop := context.WithCancel(r.ctx)
	op := &operation{Operation: Operation{Order: o, ID: uuid.New(), Began: time.Now()}, stop: stop}
	if len(r.list) >= remembered {
		oldest := slices.IndexFunc(r.list, func(o *operation) bool { return !o.GoesOn() })
		r.list = slices.Delete(r.list, oldest, oldest+1)
	}
	r.list = append(r.list, op)
	r.going.Go(func() { r.run(ctx, op) })
	return op.ID, nil
}

func (r *Runner) run(ctx context.Context, op *operation) {
	defer op.stop()
	outcome, err := r.do(ctx, op.Order, func(done int64) {
		r.mu.Lock()
		defer r.mu.Unlock()
		op.Done = done
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	op.Ended, op.Outcome, op.Err, op.Done = time.Now(), outcome, err, outcome.Done
}

// Stop has an operation end after the batch that is under way.
func (r *Runner) Stop(id uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range r.list {
		if op.ID == id && op.GoesOn() {
			op.Stopped = true
			op.stop()
		}
	}
}

// Find tells how an operation stands.
func (r *Runner) Find(id uuid.UUID) (o Operation, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range r.list {
		if op.ID == id {
			return op.Operation, true
		}
	}
	return o, false
}

// List lists the operations that are known, the latest first.
func (r *Runner) List() (list []Operation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, op := range slices.Backward(r.list) {
		list = append(list, op.Operation)
	}
	return list
}

// Close stops what goes on, and waits for it.
func (r *Runner) Close() {
	r.mu.Lock()
	r.close()
	r.mu.Unlock()
	r.going.Wait()
}
