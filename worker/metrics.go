package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"sluice/workflows"
)

// metrics collects what the activities count (sluice_...) and what Temporal's SDK counts (temporal_...), for /metrics.
type metrics struct {
	registry *prometheus.Registry
	provider *metric.MeterProvider
}

func newMetrics() (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry()}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(m.registry), otelprometheus.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make metrics exporter: %w", err)
	}
	m.provider = metric.NewMeterProvider(metric.WithReader(exporter))
	return m, nil
}

// handler is where the SDK and the activities count.
func (m *metrics) handler() client.MetricsHandler {
	return byKind{opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: m.provider.Meter("sluice")})}
}

// allWorkspaces stands for every workspace's task queue: one series each would be hundreds of thousands of lines.
const allWorkspaces = "workflow.workspace.*"

// byKind puts all workspaces' task queues under one label. Their counters add up; of a gauge the last one counts.
type byKind struct{ client.MetricsHandler }

func (b byKind) WithTags(tags map[string]string) client.MetricsHandler {
	if workflows.IsWorkspaceTaskQueue(tags["task_queue"]) {
		tags = maps.Clone(tags)
		tags["task_queue"] = allWorkspaces
	}
	return byKind{b.MetricsHandler.WithTags(tags)}
}

// page answers /metrics in Prometheus' format.
func (m *metrics) page() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) close() { _ = m.provider.Shutdown(context.Background()) }
