package admitted_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Whatever a client starts is enqueued, or refused for good: a client would repeat for ever what is unavailable.
func FuzzStart(f *testing.F) {
	for _, change := range []func(r *workflowservice.StartWorkflowExecutionRequest){
		nil,
		func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowId = "a\x00b" },
		func(r *workflowservice.StartWorkflowExecutionRequest) { r.RequestId, r.Identity = "\u202e", "\x1b[2J" },
		func(r *workflowservice.StartWorkflowExecutionRequest) { r.Priority.PriorityKey = -1 << 31 },
		func(r *workflowservice.StartWorkflowExecutionRequest) { r.WorkflowType, r.TaskQueue = nil, nil },
	} {
		raw, err := proto.Marshal(start(change))
		require.NoError(f, err)
		f.Add(raw)
	}
	b := setup(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var r, reply = new(workflowservice.StartWorkflowExecutionRequest), new(workflowservice.StartWorkflowExecutionResponse)
		if proto.Unmarshal(raw, r) != nil {
			return
		}
		before := proto.CloneOf(r)
		err := b.do(t.Context(), r, reply)
		require.True(t, proto.Equal(before, r), "the caller's own is not changed")
		require.Contains(t, []codes.Code{codes.OK, codes.InvalidArgument, codes.AlreadyExists, codes.FailedPrecondition}, status.Code(err), "%v: %v", r, err)
	})
}
