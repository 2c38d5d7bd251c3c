package history

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"sluice/internal/web/access"
	"sluice/internal/web/api"
	"sluice/internal/web/dashboard"
)

// Question is an address of the dashboard or the API. {large} stands for the workspace with the most items, {small} for one with few, {item} for
// an item of the large one that waits.
type Question struct{ Name, Address string }

// Questions are what is asked.
var Questions = []Question{
	{"overview", "/"}, {"workspaces", "/workspaces?sort=pending"}, {"workspaces.search", "/workspaces?q=015&plan=PRO"},
	{"workspace.large", "/workspaces/{large}"}, {"workspace.small", "/workspaces/{small}"}, {"item", "/items/{item}"},
	{"items", "/items"}, {"items.pending", "/items?status=PENDING"}, {"items.failed", "/items?status=FAILED"}, {"items.workspace", "/items?workspace={large}"},
	{"items.type", "/items?type=Rare"}, {"items.error", "/items?error=nosuchthing"}, {"items.workflow", "/items?workflow=order-77"},
	{"failures", "/failures"}, {"types", "/types"}, {"activity", "/activity"}, {"activity.workspace", "/activity?workspace={small}"}, {"pauses", "/pauses"},
	{"bulk.cancel", "/bulk?action=cancel&status=PENDING"}, {"bulk.replay", "/bulk?action=replay&status=FAILED"},
	{"api.items", "/api/v1/items?workspace={large}"}, {"api.workspaces", "/api/v1/workspaces"}, {"api.status", "/api/v1/status"},
}

// Asked serves the pages and the API, and is asked. There is no Temporal, so no dispatcher answers.
type Asked struct {
	server *httptest.Server
	words  *strings.Replacer
	stop   func()
}

// Serve serves the pages and the API of a database that [Fill] has filled.
func Serve(ctx context.Context, pool *pgxpool.Pool) (*Asked, error) {
	var large, small, item string
	err := pool.QueryRow(ctx, `SELECT w.ids[1], w.ids[cardinality(w.ids)], (SELECT p.id::text FROM sluice.pending p WHERE p.workspace_id = w.ids[1]::uuid ORDER BY p.available_at LIMIT 1)
		FROM (SELECT array_agg(id::text ORDER BY name) AS ids FROM sluice.workspaces) AS w`).Scan(&large, &small, &item)
	if err != nil {
		return nil, fmt.Errorf("choose what is asked for: %w", err)
	}
	silent := slog.New(slog.DiscardHandler)
	temporal, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1", Logger: sdklog.NewStructuredLogger(silent)})
	if err != nil {
		return nil, fmt.Errorf("make a client of no Temporal: %w", err)
	}
	guard := access.New(access.Config{DB: pool, Loopback: true})
	pages, stop := dashboard.New(dashboard.Config{Pool: pool, Temporal: temporal, Namespace: "default", Guard: guard, Logger: silent})
	answers, err := api.New(api.Config{Pool: pool, Temporal: temporal, Guard: guard, Log: silent})
	if err != nil {
		stop()
		temporal.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", answers)
	mux.Handle("/", pages)
	return &Asked{server: httptest.NewServer(mux), words: strings.NewReplacer("{large}", large, "{small}", small, "{item}", item),
		stop: func() { stop(); temporal.Close() }}, nil
}

// Close ends it.
func (a *Asked) Close() {
	a.server.Close()
	a.stop()
}

// Answers asks a question so many times, and returns in what time 19 of 20 were answered.
func (a *Asked) Answers(ctx context.Context, q Question, times int) (p95 time.Duration, err error) {
	took := make([]time.Duration, times)
	for i := range took {
		began := time.Now()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server.URL+a.words.Replace(q.Address), nil)
		if err != nil {
			return 0, fmt.Errorf("ask for %s: %w", q.Address, err)
		}
		answer, err := a.server.Client().Do(request)
		if err != nil {
			return 0, fmt.Errorf("ask for %s: %w", q.Address, err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if took[i] = time.Since(began); err != nil || answer.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s is answered %s, %v", q.Address, answer.Status, err)
		}
	}
	slices.Sort(took)
	return took[(19*times+19)/20-1], nil
}
