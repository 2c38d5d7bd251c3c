package main

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"sluice/internal/audit"
	"sluice/internal/metric"
	"sluice/internal/operate"
	"sluice/internal/store/facts"
)

const (
	// auditIntervals is how many intervals the first audit of a worker looks back. Each later one goes on where the last one that
	// completed began, and looks back an interval more.
	auditIntervals = 3
	// auditTimeout ends an audit that hangs on a server.
	auditTimeout = 2 * time.Minute
)

// auditor audits the recent past every interval, if no other worker does, and publishes what it finds.
type auditor struct {
	pool            *pgxpool.Pool
	temporal        client.Client
	interval, grace time.Duration
	log             *slog.Logger
	gauges          *auditGauges
	known           map[violation]bool // by the last audit: each is logged once
	audited         time.Time          // when the last audit that completed began; zero: none has
}

type violation struct {
	invariant int
	item      uuid.UUID
}

// auditGauges are absent on a worker that does not audit.
type auditGauges struct {
	violations *prometheus.GaugeVec // by invariant, as docs/operations.md and starter audit number them
	unchecked  *prometheus.GaugeVec
	completed  *prometheus.GaugeVec // without labels, so that it can be absent
	took       *prometheus.GaugeVec
}

func newAuditGauges(r prometheus.Registerer) *auditGauges {
	gauge := func(m metric.Metric) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
		r.MustRegister(g)
		return g
	}
	return &auditGauges{violations: gauge(metric.AuditViolations), unchecked: gauge(metric.AuditUnchecked), completed: gauge(metric.AuditCompleted), took: gauge(metric.AuditDuration)}
}

// reset leaves no value behind.
func (g *auditGauges) reset() {
	for _, gauge := range []*prometheus.GaugeVec{g.violations, g.unchecked, g.completed, g.took} {
		gauge.Reset()
	}
}

// run audits until ctx ends. What goes wrong is logged; the worker goes on.
func (a *auditor) run(ctx context.Context) {
	var lock *facts.AuditLock
	defer func() {
		if lock != nil {
			lock.Release()
		}
	}()
	tick := time.NewTicker(a.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C: // one that passes during an audit is dropped: there are never two at once
		}
		var err error
		if lock, err = a.hold(ctx, lock); err == nil && lock != nil {
			err = a.audit(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Warn("cannot audit; will try again", "in", a.interval, "error", err)
		}
	}
}

// hold returns the lock if it is ours, still or from now on. Without it nothing is published here.
func (a *auditor) hold(ctx context.Context, lock *facts.AuditLock) (*facts.AuditLock, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	if lock != nil && lock.Held(ctx) == nil {
		return lock, nil
	}
	if lock != nil {
		lock.Release()
	}
	lock, err := facts.TakeAuditLock(ctx, a.pool)
	if lock == nil {
		a.gauges.reset()
		a.known, a.audited = nil, time.Time{}
	}
	return lock, err
}

func (a *auditor) audit(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	began := time.Now()
	report, err := operate.Audit(ctx, a.pool, func(context.Context) (client.Client, error) { return a.temporal, nil },
		operate.AuditOptions{Since: a.since(began), Grace: a.grace})
	if err != nil {
		return err
	}
	a.audited = began
	a.publish(report, time.Since(began))
	return nil
}

// since is how far back an audit looks: what was missed, or broken off, is made up for.
func (a *auditor) since(began time.Time) time.Duration {
	if a.audited.IsZero() {
		return auditIntervals * a.interval
	}
	return began.Sub(a.audited) + a.interval
}

func (a *auditor) publish(report *audit.Report, took time.Duration) {
	known := map[violation]bool{}
	for _, f := range report.Findings {
		invariant := strconv.Itoa(f.Invariant)
		a.gauges.violations.WithLabelValues(invariant).Set(float64(f.Violations))
		unchecked := 0.0
		if len(f.Unchecked) > 0 {
			unchecked = 1
		}
		a.gauges.unchecked.WithLabelValues(invariant).Set(unchecked)
		for _, b := range f.Offenders {
			v := violation{f.Invariant, b.ID}
			if !a.known[v] && !known[v] {
				a.log.Warn(fmt.Sprintf("audit: violated: %d %s", f.Invariant, f.Name), "item", b.ID, "what", b.What)
			}
			known[v] = true
		}
	}
	a.known = known
	a.gauges.completed.WithLabelValues().SetToCurrentTime()
	a.gauges.took.WithLabelValues().Set(took.Seconds())
}
