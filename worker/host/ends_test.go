package host

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	commandpb "go.temporal.io/api/command/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
)

var (
	complete = &commandpb.Command{Attributes: &commandpb.Command_CompleteWorkflowExecutionCommandAttributes{
		CompleteWorkflowExecutionCommandAttributes: &commandpb.CompleteWorkflowExecutionCommandAttributes{}}}
	fail = &commandpb.Command{Attributes: &commandpb.Command_FailWorkflowExecutionCommandAttributes{
		FailWorkflowExecutionCommandAttributes: &commandpb.FailWorkflowExecutionCommandAttributes{Failure: &failurepb.Failure{Message: "no stock"}}}}
	cancel = &commandpb.Command{Attributes: &commandpb.Command_CancelWorkflowExecutionCommandAttributes{
		CancelWorkflowExecutionCommandAttributes: &commandpb.CancelWorkflowExecutionCommandAttributes{}}}
	continueAsNew = &commandpb.Command{Attributes: &commandpb.Command_ContinueAsNewWorkflowExecutionCommandAttributes{
		ContinueAsNewWorkflowExecutionCommandAttributes: &commandpb.ContinueAsNewWorkflowExecutionCommandAttributes{}}}
	marker = &commandpb.Command{Attributes: &commandpb.Command_RecordMarkerCommandAttributes{}}
)

// respond has a workflow task answered with such commands, and returns what the listeners of the tap are told.
func respond(t *testing.T, tap *tap, code codes.Code, commands ...*commandpb.Command) (told []string) {
	t.Helper()
	stop := tap.listen(func(namespace, workflowID, runID string, closed *historypb.HistoryEvent) {
		require.NotNil(t, closed.GetAttributes())
		told = append(told, namespace+" "+workflowID+" "+runID+" "+closed.GetWorkflowExecutionFailedEventAttributes().GetFailure().GetMessage())
	})
	defer stop()
	task := &workflowservice.RespondWorkflowTaskCompletedRequest{Namespace: "ours", Commands: commands,
		TaskToken: protowire.AppendString(protowire.AppendTag(token("order-1"), 3, protowire.BytesType), "run-1")}
	err := tap.intercept(t.Context(), "RespondWorkflowTaskCompleted", task, nil, nil,
		func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			return status.Error(code, "")
		})
	require.Equal(t, code, status.Code(err))
	return told
}

func TestAWorkflowThatAWorkerHasClosedIsTold(t *testing.T) {
	t.Parallel()
	for how, closes := range map[string]*commandpb.Command{"": complete, "no stock": fail} {
		require.Equal(t, []string{"ours order-1 run-1 " + how}, respond(t, new(tap), codes.OK, marker, closes))
		require.Empty(t, respond(t, new(tap), codes.InvalidArgument, closes), "the server has not taken it")
	}
	require.Len(t, respond(t, new(tap), codes.OK, cancel), 1)
	require.Empty(t, respond(t, new(tap), codes.OK, continueAsNew))
	require.Empty(t, respond(t, new(tap), codes.OK))
}

// Two hosts may share a client. The one that goes takes nothing from the other.
func TestTheLastHostOfAClientIsTold(t *testing.T) {
	t.Parallel()
	tap := new(tap)
	first := 0
	stop := tap.listen(func(string, string, string, *historypb.HistoryEvent) { first++ })
	require.Len(t, respond(t, tap, codes.OK, fail), 1)
	require.Zero(t, first)
	task := &workflowservice.RespondWorkflowTaskCompletedRequest{TaskToken: token("order-2")}
	tap.say(task, &historypb.HistoryEvent{})
	require.Equal(t, 1, first)
	stop()
	tap.say(task, &historypb.HistoryEvent{})
	require.Equal(t, 1, first)
}
