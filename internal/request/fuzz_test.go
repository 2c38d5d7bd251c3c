package request

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// start is what is Sluice's to say.
var start = Start{Namespace: "default", Identity: "sluice", Item: uuid.UUID{1}, Workspace: uuid.UUID{2}, Weight: 1, Priority: 3, Type: "Bill", TaskQueue: "bills",
	ID: "execution-" + uuid.UUID{1}.String(), Attributes: map[string]string{"SluiceQueueItemId": uuid.UUID{1}.String()}}

// complete says that a request can be completed and sent, whatever is in it.
func complete(t *testing.T, r *workflowservice.StartWorkflowExecutionRequest) {
	t.Helper()
	before := proto.Clone(r)
	_ = Check(r)
	completed := start.Complete(r)
	require.True(t, proto.Equal(before, r), "the caller's own is not changed")
	require.Equal(t, start.Item.String(), completed.GetRequestId())
	require.Equal(t, start.Workspace.String(), completed.GetPriority().GetFairnessKey())
	require.JSONEq(t, `"`+start.Item.String()+`"`, string(completed.GetSearchAttributes().GetIndexedFields()["SluiceQueueItemId"].GetData()))
	require.NotEmpty(t, completed.GetTaskQueue().GetName())
	require.NotEmpty(t, completed.GetWorkflowType().GetName())
	_, err := proto.Marshal(completed)
	require.NoError(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte{0x12, 1, 'a', 0x1a, 3, 0x0a, 1, 'T', 0x22, 3, 0x0a, 1, 'q'})
	f.Add([]byte{0xa2, 1, 2, 8, 1})
	f.Add([]byte{0x6a, 1, '@', 0x58, 4, 0xb0, 1, 3})
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Parse(raw)
		if err == nil {
			complete(t, r)
		}
	})
}

func FuzzParseInput(f *testing.F) {
	for _, raw := range []string{``, `{}`, `{"args": [1, "a", null, {"b": []}]}`, `{"args": null, "options": {"retry": {}, "memo": {"a": 1}, "summary": "x", "runTimeout": "1h", "onConflict": "wait"}}`,
		`{"options": {"runTimeout": "99999999999h"}}`, `{"options": {"retry": {"backoffCoefficient": 1e400}}}`, `{"options": {"details": "\ud800", "searchAttributes": {"": null}}}`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := ParseInput(raw)
		if err == nil {
			complete(t, in.FromJSON())
		}
	})
}
