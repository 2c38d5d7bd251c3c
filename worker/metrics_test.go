package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

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
	h := health{metrics: m.page()}
	answer := httptest.NewRecorder()
	h.handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, answer.Code)
	var lines []string
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "sluice_executions_ended") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	require.Len(t, lines, 2)
	require.Contains(t, lines[0]+lines[1], `task_queue="workflow.workspace.*"`)
	require.True(t, strings.HasSuffix(lines[0], " 3") != strings.HasSuffix(lines[1], " 3"), lines)
}
