package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	otelmetric "go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"sluice/internal/metric"
	"sluice/workflows"
)

// metrics collects what the activities count (sluice_...) and what Temporal's SDK counts (temporal_...), for /metrics.
type metrics struct {
	registry *prometheus.Registry
	provider *sdk.MeterProvider
}

func newMetrics() (*metrics, error) {
	m := &metrics{registry: prometheus.NewRegistry()}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(m.registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithTranslationStrategy(otlptranslator.UnderscoreEscapingWithoutSuffixes))
	if err != nil {
		return nil, fmt.Errorf("make metrics exporter: %w", err)
	}
	m.provider = sdk.NewMeterProvider(sdk.WithReader(exporter), sdk.WithView(view()))
	return m, nil
}

// view gives Sluice's metrics their help, and histograms their unit and bounds.
func view() sdk.View {
	help := map[string]string{}
	for _, m := range metric.Counted() {
		help[m.Instrument()] = m.Help
	}
	return func(i sdk.Instrument) (sdk.Stream, bool) {
		s := sdk.Stream{Name: i.Name, Description: help[i.Name], Unit: i.Unit}
		if i.Kind == sdk.InstrumentKindHistogram { // of times, all of them
			s.Name += "_seconds"
			s.Aggregation = sdk.AggregationExplicitBucketHistogram{Boundaries: seconds}
		}
		return s, true
	}
}

// seconds are the bounds of all histograms: from a step of the dispatcher, which takes milliseconds, to an item that waits for days.
var seconds = []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600}

// handler is where the SDK and the activities count.
func (m *metrics) handler() client.MetricsHandler {
	return byKind{monotonic{opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: m.provider.Meter("sluice")})}}
}

// What stands for names that are not Sluice's own. Workspaces choose them, and one series each would have no end.
const (
	allWorkspaces = "workflow.workspace.*" // every workspace's task queue
	allOthers     = "other"
)

// ownNames are the values that stay as they are, of labels that the SDK fills with names from requests and tasks.
var ownNames = map[string][]string{
	"task_queue":    {workflows.TaskQueueDefault, workflows.TaskQueueExternalAPI},
	"workflow_type": {workflows.DispatcherType, workflows.ExecutionType, workflows.RecoveryType},
	"activity_type": {workflows.ActivityTakeOver, workflows.ActivityRetire, workflows.ActivityCheckCapacity, workflows.ActivityClaimExecutions,
		workflows.ActivityDispatchExecutions, workflows.ActivityAwaitWork, workflows.ActivityLogAction, workflows.ActivityRecordOutcome,
		workflows.ActivityCallHTTP, workflows.ActivitySweep, workflows.ActivityReleaseStaleClaims, workflows.ActivityReconcile},
	"nexus_service":   nil,
	"nexus_operation": nil,
}

// noName is what the SDK says where a label does not apply.
const noName = "none"

// byKind puts all workspaces' task queues under one label, and all names that are not Sluice's under another. Their counters add up; of a
// gauge the last one counts.
type byKind struct{ client.MetricsHandler }

func (b byKind) WithTags(tags map[string]string) client.MetricsHandler {
	tags = maps.Clone(tags)
	for label, name := range tags {
		own, bounded := ownNames[label]
		switch {
		case !bounded || name == "" || name == noName || slices.Contains(own, name):
		case label == "task_queue" && workflows.IsWorkspaceTaskQueue(name):
			tags[label] = allWorkspaces
		default:
			tags[label] = allOthers
		}
	}
	return byKind{b.MetricsHandler.WithTags(tags)}
}

// monotonic has counters be counters on /metrics: those of the handler may fall, so they would be gauges there.
type monotonic struct{ opentelemetry.MetricsHandler }

func (m monotonic) WithTags(tags map[string]string) client.MetricsHandler {
	return monotonic{m.MetricsHandler.WithTags(tags).(opentelemetry.MetricsHandler)}
}

func (m monotonic) Counter(name string) client.MetricsCounter {
	counter, err := m.GetMeter().Int64Counter(name)
	if err != nil {
		return m.MetricsHandler.Counter(name)
	}
	return counted{counter, otelmetric.WithAttributeSet(m.GetAttributes())}
}

type counted struct {
	otelmetric.Int64Counter
	labels otelmetric.MeasurementOption
}

func (c counted) Inc(n int64) { c.Add(context.Background(), n, c.labels) }

// page answers /metrics in Prometheus' format.
func (m *metrics) page() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) close() { _ = m.provider.Shutdown(context.Background()) }
