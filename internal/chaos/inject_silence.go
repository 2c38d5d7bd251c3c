package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/parts"
	"sluice/internal/chaos/plan"
)

// swallow makes a worker's connections to a server half-open, and measures from then on: new ones are served.
func swallow(c *chaos, way func(*cluster.Worker) *cluster.Proxy) func(context.Context, plan.Fault, *cluster.Worker, func()) (aftermath, error) {
	return func(_ context.Context, _ plan.Fault, w *cluster.Worker, release func()) (aftermath, error) {
		defer release()
		if way(w).Swallow(nil) == 0 {
			return aftermath{}, errors.New("there is no connection")
		}
		return aftermath{since: time.Now()}, nil
	}
}

// swallowListener does so with the connection on which a dispatcher has just looked for what is new.
func (c *chaos) swallowListener(ctx context.Context, _ plan.Fault) (aftermath, error) {
	for deadline := time.Now().Add(parts.Patience); time.Now().Before(deadline); {
		var port int
		err := c.pool.QueryRow(ctx, `SELECT a.client_port FROM pg_stat_activity a
			WHERE a.datname = current_database() AND a.query LIKE '-- What the dispatcher of a shard has not heard%' AND a.state = 'idle'
			  AND a.query_start > (SELECT max(since) FROM sluice.listeners) ORDER BY a.query_start DESC LIMIT 1`).Scan(&port)
		for _, w := range c.cluster.Workers {
			if err == nil && w.Postgres.Swallow(func(p int) bool { return p == port }) > 0 {
				return aftermath{target: partWorker(w), since: time.Now()}, nil
			}
		}
		if err := cluster.Sleep(ctx, 10*time.Millisecond); err != nil {
			return aftermath{}, err
		}
	}
	return aftermath{}, errors.New("no dispatcher waits")
}

// answerForTemporal has all workers meet a proxy that has lost its route, and measures from its return.
func (c *chaos) answerForTemporal(ctx context.Context, f plan.Fault) (aftermath, error) {
	statuses := []int{http.StatusNotFound, http.StatusBadRequest, http.StatusBadGateway, http.StatusForbidden, http.StatusOK}
	status := statuses[f.Choice%uint64(len(statuses))]
	return c.answer(ctx, f, fmt.Sprintf("HTTP %d", status), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status == http.StatusOK { // by a proxy that speaks gRPC
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "5") // NOT_FOUND
			return
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><body><h1>%s</h1></body></html>", http.StatusText(status))
	}), func(context.Context) error { return nil })
}

// hideVisibility refuses the workers' lists and counts, and ends an execution meanwhile: its slot must be free all the same. It
// measures from that end.
func (c *chaos) hideVisibility(ctx context.Context, f plan.Fault) (aftermath, error) {
	hidden := []string{"ListWorkflowExecutions", "CountWorkflowExecutions"}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	onward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: c.cluster.TemporalAddress})
	onward.Transport, onward.FlushInterval = transport, -1
	onward.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	var ended uuid.UUID
	var since time.Time
	a, err := c.answer(ctx, f, "lists and counts", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(hidden, path.Base(r.URL.Path)) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", "8") // RESOURCE_EXHAUSTED
			w.Header().Set("Grpc-Message", "namespace rate limit exceeded")
			return
		}
		onward.ServeHTTP(w, r)
	}), func(ctx context.Context) error {
		if err := c.patiently(ctx, &ended, `SELECT id FROM sluice.running WHERE dispatched_at < now() - interval '1 s' ORDER BY dispatched_at DESC LIMIT 1`); err != nil {
			return fmt.Errorf("no execution is open: %w", err)
		}
		workflowID, err := c.workflowID(ctx, ended)
		if err != nil {
			return err
		}
		since = time.Now()
		return c.client.TerminateWorkflow(ctx, workflowID, "", actor)
	})
	a.missing = func(ctx context.Context) (string, error) {
		var held bool
		err := c.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sluice.running WHERE id = $1)`, ended).Scan(&held)
		if held {
			return fmt.Sprintf("execution %s holds its slot since %s", ended, since.Format(time.TimeOnly)), err
		}
		return "", err
	}
	return a, err
}

// answer puts a handler in Temporal's place for all workers, and does something meanwhile.
func (c *chaos) answer(ctx context.Context, f plan.Fault, target string, h http.Handler, meanwhile func(context.Context) error) (aftermath, error) {
	var held []func()
	defer func() {
		for _, release := range held {
			release()
		}
	}()
	for _, w := range c.cluster.Workers {
		release, err := c.claims.Take(ctx, partWorker(w))
		if err != nil {
			return aftermath{}, err
		}
		held = append(held, release)
	}
	heal := c.weather.Breaks(f.Number)
	defer heal()
	for _, w := range c.cluster.Workers {
		w.Temporal.Answer(h)
	}
	err := meanwhile(ctx)
	_ = cluster.Sleep(ctx, f.For)
	for _, w := range c.cluster.Workers {
		w.Temporal.Heal()
	}
	return aftermath{target: target, since: time.Now()}, err
}

// leaveFuture leaves in the database what its clock would have left if it had been an hour ahead for a moment.
func (c *chaos) leaveFuture(ctx context.Context, _ plan.Fault) (aftermath, error) {
	var victim uuid.UUID
	err := c.patiently(ctx, &victim, `
		WITH looked AS (UPDATE sluice.recovery SET looked_at = now() + interval '1 hour'),
		charged AS (UPDATE sluice.virtual_times SET tokens_at = now() + interval '1 hour' WHERE tokens_at IS NOT NULL),
		checked AS (UPDATE sluice.running SET checked_at = now() + interval '1 hour' RETURNING id, dispatched_at)
		SELECT id FROM checked WHERE dispatched_at < now() - interval '1 s' ORDER BY dispatched_at DESC LIMIT 1`)
	if err != nil {
		return aftermath{}, fmt.Errorf("no execution is open: %w", err)
	}
	workflowID, err := c.workflowID(ctx, victim)
	if err != nil {
		return aftermath{}, err
	}
	a := aftermath{target: workflowID, since: time.Now()}
	a.missing = func(ctx context.Context) (string, error) {
		var held bool
		err := c.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sluice.running WHERE id = $1 AND checked_at > now())`, victim).Scan(&held)
		if held {
			return "it holds its slot, checked in the future", err
		}
		return "", err
	}
	return a, c.client.TerminateWorkflow(ctx, workflowID, "", actor)
}

// patiently runs a statement until it returns an execution.
func (c *chaos) patiently(ctx context.Context, id *uuid.UUID, sql string) error {
	for deadline := time.Now().Add(parts.Patience); ; {
		err := c.pool.QueryRow(ctx, sql).Scan(id)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if err := cluster.Sleep(ctx, parts.Look); err != nil {
			return err
		}
	}
}
