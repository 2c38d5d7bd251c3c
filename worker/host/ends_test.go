package host

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

// respond has a workflow task answered with such commands, and returns what the listeners of the tap are told.
func respond(t *testing.T, tap *tap, code codes.Code, commands ...enumspb.CommandType) (told []string) {
	t.Helper()
	stop := tap.listen(func(namespace, workflowID, runID string) { told = append(told, namespace+" "+workflowID+" "+runID) })
	defer stop()
	task := &workflowservice.RespondWorkflowTaskCompletedRequest{Namespace: "ours",
		TaskToken: protowire.AppendString(protowire.AppendTag(token("order-1"), 3, protowire.BytesType), "run-1")}
	for _, kind := range commands {
		task.Commands = append(task.Commands, &commandpb.Command{CommandType: kind})
	}
	err := tap.intercept(t.Context(), "RespondWorkflowTaskCompleted", task, nil, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			return status.Error(code, "")
		})
	require.Equal(t, code, status.Code(err))
	return told
}

func TestAWorkflowThatAWorkerHasClosedIsTold(t *testing.T) {
	t.Parallel()
	for _, closes := range []enumspb.CommandType{
		enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION, enumspb.COMMAND_TYPE_CANCEL_WORKFLOW_EXECUTION,
	} {
		require.Equal(t, []string{"ours order-1 run-1"}, respond(t, new(tap), codes.OK, enumspb.COMMAND_TYPE_RECORD_MARKER, closes))
		require.Empty(t, respond(t, new(tap), codes.InvalidArgument, closes), "the server has not taken it")
	}
	require.Empty(t, respond(t, new(tap), codes.OK, enumspb.COMMAND_TYPE_CONTINUE_AS_NEW_WORKFLOW_EXECUTION))
	require.Empty(t, respond(t, new(tap), codes.OK))
}

// Two hosts may share a client. The one that goes takes nothing from the other.
func TestTheLastHostOfAClientIsTold(t *testing.T) {
	t.Parallel()
	tap := new(tap)
	var first []string
	stop := tap.listen(func(_, workflowID, _ string) { first = append(first, workflowID) })
	require.Len(t, respond(t, tap, codes.OK, enumspb.COMMAND_TYPE_FAIL_WORKFLOW_EXECUTION), 1)
	require.Empty(t, first)
	tap.say(&workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: token("order-2")})
	require.Equal(t, []string{"order-2"}, first)
	stop()
	tap.say(&workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: token(uuid.NewString())})
	require.Len(t, first, 1)
}
