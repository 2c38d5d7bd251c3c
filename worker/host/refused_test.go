package host

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"sluice/workflows"
)

// token is what a server makes of a task.
func token(workflowID string) []byte {
	raw := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "a namespace")
	raw = protowire.AppendString(protowire.AppendTag(raw, 2, protowire.BytesType), workflowID)
	return protowire.AppendVarint(protowire.AppendTag(raw, 4, protowire.VarintType), 2)
}

// Only an execution whose commands are refused is ended: what is refused for another reason may be taken the next time, and a
// dispatcher must never end.
func TestOnlyWhatTheServerRefusesOfExecutionsIsEnded(t *testing.T) {
	t.Parallel()
	id, applications := workflows.ExecutionID(uuid.New()), workflows.ExecutionID(uuid.New())
	for name, test := range map[string]struct {
		token []byte
		code  codes.Code
		calls int
	}{
		"an execution":          {token(id), codes.InvalidArgument, 2},
		"an application's own":  {token(applications), codes.InvalidArgument, 1},
		"what is taken":         {token(id), codes.OK, 1},
		"a server that is away": {token(id), codes.Unavailable, 1},
		"a task that is gone":   {token(id), codes.NotFound, 1},
		"too much at once":      {token(id), codes.ResourceExhausted, 1},
		"a child":               {token(id + "/" + uuid.NewString()), codes.InvalidArgument, 1},
		"a dispatcher":          {token(workflows.DispatcherID), codes.InvalidArgument, 1},
		"another kind of token": {[]byte("{}"), codes.InvalidArgument, 1},
		"no token":              {nil, codes.InvalidArgument, 1},
		"a token that is cut":   {token(id)[:20], codes.InvalidArgument, 1},
		"a number for an id":    {protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), 7), codes.InvalidArgument, 1},
	} {
		var sent []*workflowservice.RespondWorkflowTaskCompletedRequest
		err := endRefused(t.Context(), "RespondWorkflowTaskCompleted", &workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: test.token}, nil, nil,
			func(_ context.Context, _ string, request, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
				if asked, ok := request.(*workflowservice.DescribeWorkflowExecutionRequest); ok {
					kind := workflows.ExecutionType
					if asked.GetExecution().GetWorkflowId() == applications {
						kind = "Invoice"
					}
					reply.(*workflowservice.DescribeWorkflowExecutionResponse).WorkflowExecutionInfo = &workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: kind}}
					return nil
				}
				sent = append(sent, request.(*workflowservice.RespondWorkflowTaskCompletedRequest))
				return status.Error(test.code, "the reason")
			})
		require.Equal(t, test.code, status.Code(err), name)
		require.Len(t, sent, test.calls, name)
		if test.calls == 2 {
			require.Equal(t, test.token, sent[1].GetTaskToken())
			require.Len(t, sent[1].GetCommands(), 1)
			require.Contains(t, sent[1].GetCommands()[0].GetFailWorkflowExecutionCommandAttributes().GetFailure().GetMessage(), "the reason")
		}
	}
}
