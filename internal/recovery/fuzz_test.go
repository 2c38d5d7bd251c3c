package recovery

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"
)

// Whatever a workflow of somebody's own has ended with, in any encoding, is an outcome that can be recorded.
func FuzzEnding(f *testing.F) {
	for _, e := range []*historypb.HistoryEvent{
		{},
		{Attributes: &historypb.HistoryEvent_WorkflowExecutionCompletedEventAttributes{WorkflowExecutionCompletedEventAttributes: &historypb.WorkflowExecutionCompletedEventAttributes{
			Result: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`{"a":1`)}}}}}},
		{Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{
			Failure: &failurepb.Failure{Message: "outer", Cause: &failurepb.Failure{Message: "inner\x00"}}}}},
		{Attributes: &historypb.HistoryEvent_WorkflowExecutionTerminatedEventAttributes{WorkflowExecutionTerminatedEventAttributes: &historypb.WorkflowExecutionTerminatedEventAttributes{
			Reason: "terminated by ann", Identity: "\u202e"}}},
	} {
		raw, err := proto.Marshal(e)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var closed historypb.HistoryEvent
		if proto.Unmarshal(raw, &closed) != nil {
			return
		}
		got := ending(&closed)
		require.True(t, len(got.Output) == 0 || json.Valid(got.Output), "%x", raw)
		if got.Error != nil {
			require.True(t, utf8.ValidString(got.Error.Message) && utf8.RuneCountInString(got.Error.Message) <= mostWhat+1, "%x", raw)
		}
		_ = described{close: &closed}.next()
	})
}
