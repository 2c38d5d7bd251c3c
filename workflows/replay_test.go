package workflows

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Every history that a released shape of these workflows has written must replay: a worker of this version may have to
// carry it on. Record new ones with: go test ./internal/e2e -run 'TestRecordHistories|TestAWaitingDispatcherEnds' -record
func TestRecordedHistoriesReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*/*.json.gz")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflowWithOptions(Dispatcher, workflow.RegisterOptions{Name: DispatcherType})
			replayer.RegisterWorkflowWithOptions(Recovery, workflow.RegisterOptions{Name: RecoveryType})
			replayer.RegisterWorkflowWithOptions(Execution, workflow.RegisterOptions{Name: ExecutionType})
			raw, err := os.Open(file)
			require.NoError(t, err)
			defer func() { _ = raw.Close() }()
			unzipped, err := gzip.NewReader(raw)
			require.NoError(t, err)
			history, err := client.HistoryFromJSON(unzipped, client.HistoryJSONOptions{})
			require.NoError(t, err)
			require.NoError(t, replayer.ReplayWorkflowHistory(quiet{}, history))
		})
	}
}
