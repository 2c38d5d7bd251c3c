package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/web/access"
	"sluice/workflows"
)

func TestMetricsAddTheWorkspacesUp(t *testing.T) {
	t.Parallel()
	m, err := newMetrics()
	require.NoError(t, err)
	defer m.close()
	count := func(taskQueue string) {
		m.handler().WithTags(map[string]string{"task_queue": taskQueue}).Counter("sluice_executions_ended").Inc(1)
	}
	for range 3 {
		count(workflows.WorkspaceTaskQueue(uuid.New()))
	}
	count(workflows.TaskQueueDefault)
	lines := series(t, m, "sluice_executions_ended")
	require.Len(t, lines, 2)
	require.Contains(t, lines[0]+lines[1], `task_queue="workflow.workspace.*"`)
	require.True(t, strings.HasSuffix(lines[0], " 3") != strings.HasSuffix(lines[1], " 3"), lines)
}

// Names of workflow types and task queues come from those who enqueue, and those of activities from their workflows.
func TestMetricsHaveOneSeriesForNamesThatOthersChoose(t *testing.T) {
	t.Parallel()
	m, err := newMetrics()
	require.NoError(t, err)
	defer m.close()
	count := func(label, name string) {
		m.handler().WithTags(map[string]string{label: name}).Counter("temporal_request_failure").Inc(1)
	}
	own := []string{workflows.ExecutionType, workflows.ActivityCallHTTP, workflows.TaskQueueExternalAPI}
	for i, label := range []string{"workflow_type", "activity_type", "task_queue"} {
		count(label, own[i])
		count(label, noName)
		for range 100 {
			count(label, uuid.NewString())
		}
	}
	lines := series(t, m, "temporal_request_failure")
	require.Equal(t, 9, len(lines), "its own, none and other, of each label")
	for _, name := range own {
		require.Contains(t, strings.Join(lines, "\n"), `"`+name+`"`)
	}
	for _, label := range []string{"workflow_type", "activity_type", "task_queue"} {
		require.Contains(t, strings.Join(lines, "\n"), label+`="other"} 100`)
	}
}

// series are the lines of a metric on the page.
func series(t *testing.T, m *metrics, metric string) (lines []string) {
	t.Helper()
	h := health{metrics: m.page(), guard: access.New(access.Config{})}
	answer := httptest.NewRecorder()
	h.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, metric) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}
