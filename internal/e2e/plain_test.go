package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"sluice/queue"
	"sluice/workflows"
)

// A worker holds the input of each execution that runs, and what its calls send. The SDK's own JSON makes six bytes of <, > and &.
func TestAnInputIsSentAsItWasEnqueuedInEachCharacter(t *testing.T) {
	t.Parallel()
	text, own := strings.Repeat("<>&", 80<<10), strings.Repeat("<>&", 20<<10)
	var called atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		got := strings.Trim(string(body), `{"tex: }`)
		assert.True(t, got == text || got == own, "%.100s", got)
		called.Add(1)
	}))
	t.Cleanup(server.Close)
	s := newStack(t)
	s.run()
	ws := s.workspace("PRO")
	post := `{"url": "` + server.URL + `", "method": "POST"}`
	definition := s.definition(ws.ID, node{kind: "http", config: post}, node{kind: "http", config: post},
		node{kind: "http", config: `{"url": "` + server.URL + `", "method": "POST", "body": {"text": "` + own + `"}}`})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: definition.ID, Input: json.RawMessage(`{"text": "` + text + `"}`)})
	s.await(id, workflows.StatusCompleted)
	require.EqualValues(t, 3, called.Load())

	calls := 0
	for events := s.client.GetWorkflowHistory(s.ctx, workflows.ExecutionID(id), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT); events.HasNext(); {
		event, err := events.Next()
		require.NoError(t, err)
		if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
			require.Less(t, proto.Size(started.GetInput()), len(text)+len(own)+10_000, "input and definition")
		}
		if call := event.GetActivityTaskScheduledEventAttributes(); call != nil {
			require.Less(t, proto.Size(call.GetInput()), len(text)+1000)
			calls++
		}
	}
	require.Equal(t, 3, calls)
}
