package metric_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/internal/metric"
)

func TestEachMetricHasANameOfItsOwnAndSaysWhatItIs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range append(metric.Counted(), metric.Levels()...) {
		require.Regexp(t, regexp.MustCompile(`^sluice_[a-z_]+$`), m.Name)
		require.False(t, seen[m.Name], m.Name)
		seen[m.Name] = true
		require.True(t, strings.HasSuffix(m.Help, "."), m.Name)
		require.Equal(t, m.Type == metric.Histogram, m.Instrument() != m.Name, "the unit is appended where it is shown")
	}
}

func TestAMetricIsCountedWithItsTypeAndLabels(t *testing.T) {
	t.Parallel()
	to := client.MetricsNopHandler
	metric.StartsFailed.Add(to, 1, "refused")
	metric.Unserved.Set(to, 1)
	metric.Wait.Timer(to, "PRO", "at-capacity").Record(1)
	require.Panics(t, func() { metric.StartsFailed.Add(to, 1) })
	require.Panics(t, func() { metric.StartsFailed.Set(to, 1, "refused") })
	require.Panics(t, func() { metric.Wait.Timer(to, "PRO") })
}
