package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// StartOptions says how dispatchers begin.
type StartOptions struct {
	// Shards is how many there are to be from now on; zero: as many as are stored.
	Shards int
	// Tunables are what new dispatchers begin with instead of those that others run with, or of the defaults.
	Tunables workflows.ConfigureRequest
	// Move gives the database to this namespace and the namespace to this database, whatever they belonged to. The
	// dispatchers of both must have been stopped.
	Move bool
	// Abandon moves although executions hold slots. They go on in the namespace that the database leaves, and end TERMINATED
	// here.
	Abandon bool
	Actor   string
}

// StartedAll says which runs are the dispatchers now.
type StartedAll struct {
	Dispatchers []Started // by shard
	// Surplus are the open dispatchers whose shard is none any more. They end by themselves: at their next look, and if
	// they are paused, when they are resumed.
	Surplus []int
}

// StartAll makes the namespace ready, stores the number of shards if one is given, and starts the dispatcher of each shard
// that has none. New ones take over the pause and the tunables of those that run. It may be called at any time, at once
// with other calls, and leaves what is right as it is.
//
// Errors: pairing.ErrOtherDatabase and pairing.ErrOtherNamespace, catalog.ErrRunning for a move. ErrNoWorker when no worker can
// tell what to take over, before anything was changed. ErrRefused for tunables out of bounds, store.ErrInvalid for the number
// of shards, store.ErrBusy, ErrAttributes.
func StartAll(ctx context.Context, c client.Client, namespace string, db *pgxpool.Pool, o StartOptions) (all StartedAll, err error) {
	n := o.Shards
	if n != 0 {
		if err := catalog.CheckShards(n); err != nil {
			return all, err
		}
	}
	installation, err := pairing.Verify(ctx, c, namespace, db)
	if err != nil && o.Move {
		installation, err = move(ctx, c, namespace, db, o.Abandon)
	}
	if err != nil {
		return all, err
	}
	_, open, err := lookForShards(ctx, c, db)
	if err != nil {
		return all, err
	}
	if n == 0 {
		if n, err = catalog.Shards(ctx, db); err != nil {
			return all, err
		}
	}
	state, err := takeOver(ctx, c, n, open, o.Tunables)
	if err != nil {
		return all, err
	}
	if installation.NamespaceID == "" {
		if installation, err = pairing.Pair(ctx, c, namespace, db); err != nil {
			return all, err
		}
	}
	if err := ready(ctx, c, namespace); err != nil {
		return all, err
	}
	if o.Shards > 0 {
		if err := catalog.SetShards(ctx, db, n, o.Actor); err != nil {
			return all, err
		}
	}
	for shard := range n {
		state.Shard = shard
		started, err := startShard(ctx, c, db, installation, state)
		if err != nil {
			return all, err
		}
		all.Dispatchers = append(all.Dispatchers, started)
	}
	for _, shard := range open {
		if shard >= n {
			all.Surplus = append(all.Surplus, shard)
		}
	}
	return all, nil
}

// move gives database and namespace to one another. A dispatcher that is open there would go on for its former database.
func move(ctx context.Context, c client.Client, namespace string, db *pgxpool.Pool, abandon bool) (catalog.Installation, error) {
	open, err := OpenShards(ctx, c, nil)
	if err != nil {
		return catalog.Installation{}, err
	}
	if len(open) > 0 {
		return catalog.Installation{}, &RefusedError{Message: fmt.Sprintf("a dispatcher is open in namespace %s (workflow %s): stop it first, with its own database, or terminate it",
			namespace, workflows.ShardID(open[0]))}
	}
	return pairing.Move(ctx, c, namespace, db, abandon)
}

// takeOver is what new dispatchers begin with. It needs an answer only if some are missing beside others that run.
func takeOver(ctx context.Context, c client.Client, n int, open []int, changes workflows.ConfigureRequest) (state workflows.State, err error) {
	missing := false
	for shard := range n {
		missing = missing || !slices.Contains(open, shard)
	}
	if missing && len(open) > 0 {
		status, err := StatusOf(ctx, c, open[0])
		switch {
		case errors.Is(err, ErrNotRunning): // it has ended meanwhile
		case err != nil:
			return state, fmt.Errorf("take over the pause and the tunables of %s: %w", workflows.ShardID(open[0]), err)
		}
		state.Pause, state.Tunables = status.Pause, status.Tunables
	}
	state.Tunables = state.Tunables.Changed(changes)
	if err := state.Tunables.WithDefaults().Validate(); err != nil {
		return state, &RefusedError{Message: err.Error()}
	}
	return state, nil
}

// startShard starts the dispatcher of a shard that there is. One that is found open may be about to end, because its shard
// was gone when it looked; then it gets a successor. It cannot begin to end from now on.
func startShard(ctx context.Context, c client.Client, db *pgxpool.Pool, installation catalog.Installation, state workflows.State) (Started, error) {
	for {
		started, err := start(ctx, c, installation, state)
		if err != nil || !started.AlreadyRunning || state.Shard == 0 {
			return started, err
		}
		retired, err := catalog.RetiredRun(ctx, db, state.Shard)
		if err != nil || retired != started.RunID {
			return started, err
		}
		if err := awaitEnd(ctx, c, started); err != nil {
			return started, err
		}
	}
}

// awaitEnd waits until a run that is about to end has ended, however that comes.
func awaitEnd(ctx context.Context, c client.Client, of Started) error {
	limited, cancel := context.WithTimeout(ctx, AnswerTimeout)
	defer cancel()
	_ = c.GetWorkflow(limited, of.WorkflowID, of.RunID).Get(limited, nil)
	if limited.Err() != nil {
		return fmt.Errorf("wait for run %s of %s to end, whose shard was gone: %w", of.RunID, of.WorkflowID, ErrNoWorker)
	}
	return nil
}

// probes is how many dispatchers are looked for at once.
const probes = 16

// candidates are the shards that may have a dispatcher: those that Postgres knows, or without a database all that there
// could be. A list of Temporal's could be out of date.
func candidates(ctx context.Context, db *pgxpool.Pool) ([]int, error) {
	if db != nil {
		return catalog.ShardsInUse(ctx, db)
	}
	all := make([]int, catalog.MaxShards)
	for shard := range all {
		all[shard] = shard
	}
	return all, nil
}

// lookForShards returns the shards of which Temporal knows a dispatcher, and those whose dispatcher is open, in order.
func lookForShards(ctx context.Context, c client.Client, db *pgxpool.Pool) (known, open []int, err error) {
	shards, err := candidates(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	var group errgroup.Group
	group.SetLimit(probes)
	var mu sync.Mutex
	for _, shard := range shards {
		group.Go(func() error {
			isKnown, isOpen, err := look(ctx, c, workflows.ShardID(shard))
			mu.Lock()
			defer mu.Unlock()
			if isKnown {
				known = append(known, shard)
			}
			if isOpen {
				open = append(open, shard)
			}
			return err
		})
	}
	err = group.Wait()
	slices.Sort(known)
	slices.Sort(open)
	return known, open, err
}

// OpenShards are the shards with an open dispatcher, in order, also of shards that there are no more. The database may be nil.
func OpenShards(ctx context.Context, c client.Client, db *pgxpool.Pool) ([]int, error) {
	_, open, err := lookForShards(ctx, c, db)
	return open, err
}

// addressees are the shards a message goes to. With a database none is looked for beforehand: the message finds out.
func addressees(ctx context.Context, c client.Client, db *pgxpool.Pool) ([]int, error) {
	if db != nil {
		return catalog.ShardsInUse(ctx, db)
	}
	open, err := OpenShards(ctx, c, nil)
	if err == nil && len(open) == 0 {
		err = ErrNotRunning
	}
	return open, err
}

// each does something for all these shards at once and returns the results in their order. One that has ended meanwhile
// is left out, unless all have. Where one refuses and another does not, refused decides.
func each[T any](shards []int, do func(shard int) (T, error), refused func(shard int, err error) (T, error)) ([]T, error) {
	results, errs := make([]T, len(shards)), make([]error, len(shards))
	var group sync.WaitGroup
	for i, shard := range shards {
		group.Go(func() { results[i], errs[i] = do(shard) })
	}
	group.Wait()
	done := slices.ContainsFunc(errs, func(err error) bool { return err == nil })
	var kept []T
	var problems []error
	for i, err := range errs {
		if done && errors.Is(err, ErrRefused) {
			results[i], err = refused(shards[i], err)
		}
		switch {
		case err == nil:
			kept = append(kept, results[i])
		case done && errors.Is(err, ErrNotRunning):
		case !done && len(problems) > 0 && (errors.Is(err, ErrRefused) || errors.Is(err, ErrNotRunning)): // one says it for all
		case len(shards) > 1:
			problems = append(problems, fmt.Errorf("shard %d: %w", shards[i], err))
		default:
			problems = append(problems, err)
		}
	}
	return kept, errors.Join(problems...)
}
