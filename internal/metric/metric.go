package metric

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/client"
)

// Type is a type of Prometheus.
type Type string

// The types.
const (
	Counter   Type = "counter"
	Gauge     Type = "gauge"
	Histogram Type = "histogram"
)

// Metric is one as it stands on /metrics.
type Metric struct {
	Name   string
	Type   Type
	Labels []string
	Help   string
}

// Add counts n of a counter. The values are those of its labels, in their order.
func (m Metric) Add(to client.MetricsHandler, n int64, values ...string) {
	m.labelled(to, Counter, values).Counter(m.Name).Inc(n)
}

// Set sets a gauge.
func (m Metric) Set(to client.MetricsHandler, value float64, values ...string) {
	m.labelled(to, Gauge, values).Gauge(m.Name).Update(value)
}

// Timer records durations in a histogram, whose name ends with _seconds.
func (m Metric) Timer(to client.MetricsHandler, values ...string) client.MetricsTimer {
	return m.labelled(to, Histogram, values).Timer(m.Instrument())
}

// Instrument is its name in a handler: that of a histogram is without its unit, which is appended where it is shown.
func (m Metric) Instrument() string {
	if m.Type == Histogram {
		return strings.TrimSuffix(m.Name, "_seconds")
	}
	return m.Name
}

func (m Metric) labelled(to client.MetricsHandler, as Type, values []string) client.MetricsHandler {
	if m.Type != as || len(values) != len(m.Labels) {
		panic(fmt.Sprintf("%s is a %s with the labels %v, not a %s with %v", m.Name, m.Type, m.Labels, as, values))
	}
	if len(values) == 0 {
		return to
	}
	tags := make(map[string]string, len(values))
	for i, value := range values {
		tags[m.Labels[i]] = value
	}
	return to.WithTags(tags)
}
