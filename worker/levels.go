package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"sluice/admin"
	"sluice/internal/metric"
	"sluice/internal/store/controls"
	"sluice/internal/store/facts"
	"sluice/internal/store/figures"
)

const (
	// levelsFor is for how long what was read is shown again: who scrapes more often, or from several servers, costs no more. Where it takes long
	// to read, which counts all that waits, it is shown for levelsRest times as long as that, but for levelsMost at most.
	levelsFor  = 10 * time.Second
	levelsRest = 20
	levelsMost = 30 * time.Second
	// levelsTimeout ends a look that hangs: the page then has the other metrics.
	levelsTimeout = 5 * time.Second
	// mostWorkspaces is how many workspaces have series of their own: those whose oldest ready item has waited longest.
	mostWorkspaces = 10
)

// levels shows on /metrics how everything is: what waits, holds slots and is paused, as the dashboard's overview has it. Postgres is asked
// when the page is, and by each worker alike: the figures are of all shards, and of two workers they are the same.
type levels struct {
	pool *pgxpool.Pool
	log  *slog.Logger

	mu    sync.Mutex
	until time.Time // it is shown again until then
	shown []prometheus.Metric
}

// shownFor is for how long what took so long to read is shown.
func shownFor(took time.Duration) time.Duration {
	return min(max(levelsFor, levelsRest*took), levelsMost)
}

// levelDescs are the series by their names.
var levelDescs = func() map[string]*prometheus.Desc {
	all := map[string]*prometheus.Desc{}
	for _, m := range metric.Levels() {
		all[m.Name] = prometheus.NewDesc(m.Name, m.Help, m.Labels, nil)
	}
	return all
}()

// Describe implements prometheus.Collector.
func (l *levels) Describe(to chan<- *prometheus.Desc) {
	for _, d := range levelDescs {
		to <- d
	}
}

// showLevels has the page show how everything is until stop is called.
func (m *metrics) showLevels(pool *pgxpool.Pool, log *slog.Logger) (stop func()) {
	l := &levels{pool: pool, log: log}
	m.registry.MustRegister(l)
	return func() { m.registry.Unregister(l) }
}

// Collect implements prometheus.Collector. While Postgres does not answer there are no such series.
func (l *levels) Collect(to chan<- prometheus.Metric) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if began := time.Now(); !began.Before(l.until) {
		ctx, cancel := context.WithTimeout(context.Background(), levelsTimeout)
		defer cancel()
		now, err := readLevels(ctx, l.pool)
		if err != nil {
			l.log.Warn("cannot read what waits and runs, for /metrics", "error", err)
		}
		l.until, l.shown = time.Now().Add(shownFor(time.Since(began))), now.metrics()
	}
	for _, m := range l.shown {
		to <- m
	}
}

// reading is what one look has read. The zero reading is none.
type reading struct {
	usages []figures.Usage
	waits  map[uuid.UUID]facts.WorkspaceWait
	tiers  []figures.Tier
	pauses []admin.Pause
}

// readLevels reads all as it was at one moment.
func readLevels(ctx context.Context, pool *pgxpool.Pool) (r reading, err error) {
	err = pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		b := &pgx.Batch{}
		figures.QueueUsages(b, &r.usages)
		waits := facts.QueueWorkspaceWaits(b)
		figures.QueueTiers(b, &r.tiers)
		controls.QueuePauses(b, &r.pauses)
		if err := tx.SendBatch(ctx, b).Close(); err != nil {
			return err
		}
		r.waits = waits()
		return nil
	})
	if err != nil {
		return reading{}, err
	}
	return r, nil
}

// metrics are the series of a reading, none of one that has failed.
func (r reading) metrics() (all []prometheus.Metric) {
	if r.tiers == nil {
		return nil
	}
	gauge := func(m metric.Metric, value float64, labels ...string) {
		all = append(all, prometheus.MustNewConstMetric(levelDescs[m.Name], prometheus.GaugeValue, value, labels...))
	}
	type plan struct {
		pending, held, limit, workspaces int
		oldest                           time.Duration
	}
	plans := map[string]*plan{}
	for _, t := range r.tiers {
		plans[t.Plan] = &plan{}
	}
	unserved, unanswered := 0, 0
	for _, u := range r.usages {
		p := plans[u.Plan]
		p.pending, p.held, p.limit, p.workspaces = p.pending+u.Pending, p.held+u.Running, p.limit+u.Limit, p.workspaces+1
		p.oldest = max(p.oldest, r.waits[u.ID].Longest)
		unanswered += u.Unanswered
		if u.Unserved > 0 {
			unserved++
		}
	}
	for _, t := range r.tiers {
		p := plans[t.Plan]
		gauge(metric.ItemsPending, float64(p.pending), t.Plan)
		gauge(metric.OldestWait, p.oldest.Seconds(), t.Plan)
		gauge(metric.SlotsHeld, float64(p.held), t.Plan)
		gauge(metric.SlotsLimit, float64(p.limit), t.Plan)
		gauge(metric.Workspaces, float64(p.workspaces), t.Plan)
	}
	if global := r.tiers[0].Global; global != nil {
		gauge(metric.SlotsGlobalLimit, float64(*global))
	}
	gauge(metric.StartsUnanswered, float64(unanswered))
	gauge(metric.WorkspacesUnserved, float64(unserved))
	of := map[string]int{"all": 0, "workspace": 0, "type": 0, "definition": 0}
	for _, p := range r.pauses {
		of[pausedBy(p)]++
	}
	for _, what := range []string{"all", "workspace", "type", "definition"} {
		gauge(metric.Pauses, float64(of[what]), what)
	}
	for _, u := range r.longest() {
		gauge(metric.WorkspaceOldest, r.waits[u.ID].Longest.Seconds(), u.ID.String())
		gauge(metric.WorkspacePending, float64(u.Pending), u.ID.String())
	}
	return all
}

func pausedBy(p admin.Pause) string {
	switch {
	case p.DefinitionID != nil:
		return "definition"
	case p.WorkflowType != nil:
		return "type"
	case p.WorkspaceID != nil:
		return "workspace"
	}
	return "all"
}

// longest are the workspaces whose ready items have waited longest.
func (r reading) longest() []figures.Usage {
	waiting := slices.DeleteFunc(slices.Clone(r.usages), func(u figures.Usage) bool { return u.Pending == 0 })
	slices.SortFunc(waiting, func(a, b figures.Usage) int {
		return cmp.Or(cmp.Compare(r.waits[b.ID].Longest, r.waits[a.ID].Longest), slices.Compare(a.ID[:], b.ID[:]))
	})
	return waiting[:min(len(waiting), mostWorkspaces)]
}
