package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/counts"
	"sluice/internal/chaos/ledger"
	"sluice/internal/chaos/parts"
	"sluice/internal/chaos/weather"
	"sluice/internal/store"
	"sluice/queue"
)

// chaos is one run.
type chaos struct {
	options
	cluster *cluster.Cluster
	pool    *pgxpool.Pool // ours: past the proxies
	queue   *queue.Client
	office  *admin.Client
	client  client.Client
	cast    *cast
	ledger  *ledger.Ledger
	weather *weather.Weather
	claims  parts.Claims
	counts  counts.Counts // by the workers

	background sync.WaitGroup // clients and faults that are still at it
	began      time.Time

	mu         sync.Mutex
	stderr     io.Writer
	recoveries []recovery
	skipped    map[string]int // faults that could not be injected, by kind
	restarts   int            // of a Temporal whose SQLite was stuck
	violations []ledger.Violation
}

// The promises that are judged while the run goes on, and by replay.
const (
	promiseRecovers = "a fault is got over within 60 s of the parts being back"
	promiseLives    = "workers and the dispatcher live"
	promiseReplays  = "recorded histories replay"
	promiseAnswers  = "what an operator asks for is done"
	promiseCuts     = "no claim follows the commit of a cut"
	promiseTerms    = "what holds for a time, a pause or a limit, holds until its end"
	promiseBulk     = "what is done to many items is done to each of them once, and to no others"
	promiseProgress = "nothing ready has waited beside a free slot for 10 s while all parts were there"
	promiseBeside   = "rows that the database refuses hold no others of their workspace up for 10 s"
	promiseLearnt   = "ends are learnt within 10 s while callbacks are not taken"
	promiseCalled   = "ends are learnt by callbacks where these are taken"
	promiseAnswered = "forged calls are refused, and repeated ones are taken"
	promisePaired   = "a worker or dispatcher of another namespace is refused and changes nothing"
)

// say writes a line of progress.
func (c *chaos) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := ""
	if !c.began.IsZero() {
		at = fmt.Sprintf("%7.1fs  ", time.Since(c.began).Seconds())
	}
	_, _ = fmt.Fprintf(c.stderr, at+format+"\n", args...)
}

// violated notes a broken promise.
func (c *chaos) violated(promise, id, format string, args ...any) {
	v := ledger.Violation{Promise: promise, ID: id, What: fmt.Sprintf(format, args...)}
	c.mu.Lock()
	c.violations = append(c.violations, v)
	c.mu.Unlock()
	c.say("VIOLATION  %s: %s: %s", v.Promise, v.ID, v.What)
}

// connect opens our own connections.
func (c *chaos) connect(ctx context.Context) (err error) {
	if c.pool, err = store.Open(ctx, c.cluster.DatabaseURL+"&application_name=chaos", 40); err != nil {
		return err
	}
	c.queue, c.office = queue.New(c.pool), admin.New(c.pool)
	c.client, err = client.DialContext(ctx, client.Options{HostPort: c.cluster.TemporalAddress, Namespace: c.cluster.Namespace,
		Identity: actor, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		return fmt.Errorf("connect to Temporal: %w", err)
	}
	return nil
}

func (c *chaos) disconnect() {
	if c.client != nil {
		c.client.Close()
	}
	if c.pool != nil {
		c.pool.Close()
	}
}

// insist repeats what has to be done although servers may be away.
func (c *chaos) insist(ctx context.Context, do func(ctx context.Context) error) error {
	for {
		limited, cancel := context.WithTimeout(ctx, 20*time.Second)
		err := do(limited)
		cancel()
		if err == nil {
			return nil
		}
		if cluster.Sleep(ctx, 200*time.Millisecond) != nil {
			return err
		}
	}
}
