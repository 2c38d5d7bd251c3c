package workflows

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/definition"
)

// sending is an execution whose nodes all send its input, and as many that do not.
func sending(t *testing.T, nodes, inputBytes int) ExecutionInput {
	t.Helper()
	var list []string
	for i := range nodes {
		list = append(list, fmt.Sprintf(`{"name": "call %d", "type": "http", "config": {"url": "http://example.com", "method": "POST"}}`, i),
			fmt.Sprintf(`{"name": "child %d", "type": "workflow", "config": {"workflowType": "Bill"}}`, i),
			fmt.Sprintf(`{"name": "other %d", "type": "http", "config": {"url": "http://example.com", "method": "POST", "body": {"<": %d}}}`, i, i))
	}
	d, err := definition.Parse([]byte(`{"name": "sends", "nodes": [` + strings.Join(list, ",") + `]}`))
	require.NoError(t, err)
	input, err := json.Marshal(map[string]string{"text": strings.Repeat("<", 10) + strings.Repeat("x", inputBytes)})
	require.NoError(t, err)
	return ExecutionInput{ExecutionID: uuid.UUID{1}, WorkspaceID: uuid.UUID{2}, Definition: d, Input: input}
}

func TestTheVolumeOfAnExecutionIsWhatItsNodesSend(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckVolume(sending(t, 50, 200<<10)))
	in := sending(t, 120, 200<<10)
	total := 0
	for _, n := range in.Definition.Nodes {
		s, err := stepOf(in, n)
		require.NoError(t, err)
		total += s.bytes
	}
	require.ErrorContains(t, CheckVolume(in), fmt.Sprintf("its 360 nodes would send %d bytes together", total))
	require.ErrorContains(t, CheckVolume(sending(t, 2, maxRequestBytes)), "node call 0: it would send")
}

// It is asked before each start: a workspace that enqueues what is refused must not take the processor from the starts of others.
func TestToCheckAVolumeTheInputIsEncodedOnce(t *testing.T) {
	in := sending(t, 300, 250<<10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.Error(t, CheckVolume(in))
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32<<20), "600 nodes send 250 KiB each")
}
