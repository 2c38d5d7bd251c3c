package counts_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/chaos/counts"
)

func TestCountsAreAddedUpOverProcesses(t *testing.T) {
	t.Parallel()
	var c counts.Counts
	require.Zero(t, c.Of("sluice_callbacks", "result", "taken"))
	show := func(pid int, page string) { require.NoError(t, c.Show(pid, strings.NewReader(page))) }
	show(1, "# TYPE sluice_callbacks_total counter\nsluice_callbacks_total{result=\"taken\"} 3\nsluice_callbacks_total{result=\"refused\"} 7\n")
	show(1, "sluice_callbacks_total{result=\"taken\"} 5\n")
	show(2, "sluice_callbacks_total{result=\"taken\"} 1\nsluice_callbacks_total{again=\"x\",result=\"taken\"} 1\nsluice_callbacks_total{noresult=\"taken\"} 1\ntemporal_x 9\n")
	require.Equal(t, 7, c.Of("sluice_callbacks", "result", "taken"), "the latest of each process, which counts anew when it is started again")
	require.Zero(t, c.Of("sluice_callbacks", "result", "failed"))
}
