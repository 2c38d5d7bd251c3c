package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/internal/gather"
	"sluice/internal/store"
	"sluice/workflows"
)

// DefaultStaleAfter is well above what a dispatch may take (30 s): a dispatcher that lives takes up its claims itself.
const DefaultStaleAfter = time.Minute

// Config is what recovery depends on. DB and Client are required.
type Config struct {
	DB     *pgxpool.Pool
	Client client.Client
	// Logger defaults to slog.Default().
	Logger *slog.Logger
	// Metrics returns where a call counts, as activity.GetMetricsHandler does. Defaults to nowhere.
	Metrics func(context.Context) client.MetricsHandler
	// Namespace returns the namespace that a call is about, as activity.GetInfo does. Defaults to "default".
	Namespace func(context.Context) string
	// StaleAfter is how old a claim must be to be taken for abandoned. Defaults to DefaultStaleAfter.
	StaleAfter time.Duration
	// Freed is told which executions have given their slots back. Defaults to nothing: dispatchers hear of it from Postgres.
	Freed store.Freed
}

// Recovery does the work. It is safe for concurrent use.
type Recovery struct {
	db         *pgxpool.Pool
	client     client.Client
	log        *slog.Logger
	metrics    func(context.Context) client.MetricsHandler
	namespace  func(context.Context) string
	staleAfter time.Duration
	freed      store.Freed
	recorder   *store.Recorder
	looks      *gather.Gatherer[Hint, struct{}]

	sweeping  sync.Mutex
	released  map[string]uuid.UUID // how far expired partitions have been released, by their names
	lastKey   store.UniqueKey      // how far unique keys have been looked at
	lastInput uuid.UUID            // and large inputs

	listing sync.Mutex
	read    readings // how far Temporal's lists have been read and compared
}

// New returns a Recovery with the defaults filled in.
func New(c Config) *Recovery {
	r := &Recovery{db: c.DB, client: c.Client, log: c.Logger, metrics: c.Metrics, namespace: c.Namespace, staleAfter: c.StaleAfter, freed: c.Freed,
		released: map[string]uuid.UUID{}}
	if r.log == nil {
		r.log = slog.Default()
	}
	if r.metrics == nil {
		r.metrics = func(context.Context) client.MetricsHandler { return client.MetricsNopHandler }
	}
	if r.namespace == nil {
		r.namespace = func(context.Context) string { return client.DefaultNamespace }
	}
	if r.staleAfter == 0 {
		r.staleAfter = DefaultStaleAfter
	}
	if r.freed == nil {
		r.freed = func([]uuid.UUID, time.Time, time.Time) {}
	}
	r.recorder, r.looks = store.NewRecorder(r.db, r.freed), r.newLooks()
	return r
}

// Report counts what was done. It has the fields of workflows.RecoveryReport.
type Report struct {
	Expired  int64
	Orphaned int64 // items whose workspace is gone
	Released int64 // stale claims put back
	Settled  int64 // stale claims whose workflow did exist
	Checked  int64 // executions compared with Temporal
	Repaired int64 // those that were found closed, or open without a slot
	Dropped  int64 // partitions behind the retention
}

// ErrLists says that Temporal's lists of executions did not answer. Slots have been compared in turn all the same.
var ErrLists = errors.New("temporal does not list executions")

// ErrUnfinished says that there was more to compare than a pass has time for. What it has compared is on record, and the next one goes on.
var ErrUnfinished = errors.New("there is more to compare than one pass has time for")

// OutcomeOf is an outcome as the store records it.
func OutcomeOf(o workflows.Outcome) (store.Outcome, error) {
	outcome := store.Outcome{ExecutionID: o.ExecutionID, RunID: o.RunID, Status: o.Status, Output: o.Output}
	if o.Error != nil {
		raw, err := json.Marshal(o.Error)
		if err != nil {
			return outcome, fmt.Errorf("encode the error of an outcome: %w", err)
		}
		outcome.Error = raw
	}
	return outcome, nil
}
