package gateway

import (
	"context"
	"strings"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/internal/admitted"
)

// workspaceHeader is the metadata by which a caller names the workspace of its starts.
const workspaceHeader = "sluice-workspace"

func workspaceOf(ctx context.Context, start *workflowservice.StartWorkflowExecutionRequest) string {
	if named := metadata.ValueFromIncomingContext(ctx, workspaceHeader); len(named) > 0 {
		return named[0]
	}
	return start.GetPriority().GetFairnessKey()
}

// services are those whose calls pass. All of them have one message each way.
var services = []string{"/temporal.api.workflowservice.v1.WorkflowService/", "/temporal.api.operatorservice.v1.OperatorService/", "/grpc.health.v1.Health/Check"}

// handle answers any call.
func (g *Gateway) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	served := false
	for _, prefix := range services {
		served = served || strings.HasPrefix(method, prefix)
	}
	if !served {
		return status.Errorf(codes.Unimplemented, "the gateway does not serve %s", method)
	}
	var in frame
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	ctx := metadata.NewOutgoingContext(stream.Context(), passedOn(stream.Context()))
	var header, trailer metadata.MD
	forward := func(ctx context.Context, request, reply any) error {
		return g.upstream.Invoke(ctx, method, request, reply, grpc.Header(&header), grpc.Trailer(&trailer))
	}
	reply, err := g.reply(ctx, method, &in, forward)
	header.Delete("content-type")
	trailer.Delete("grpc-status-details-bin") // they come with the error; without one the queue has answered
	_ = stream.SetHeader(header)
	stream.SetTrailer(trailer)
	if err != nil {
		return err
	}
	return stream.SendMsg(reply)
}

// reply reads a call that may be about an item, and passes on any other unread.
func (g *Gateway) reply(ctx context.Context, method string, in *frame, forward func(ctx context.Context, request, reply any) error) (any, error) {
	request, reply, ok := admitted.Messages(method)
	if !ok {
		var out frame
		return &out, forward(ctx, in, &out)
	}
	if err := proto.Unmarshal(in.bytes, request); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "the request cannot be read: %v", err)
	}
	return reply, g.calls.Do(ctx, request, reply, func(ctx context.Context, request proto.Message) error {
		return forward(ctx, request, reply)
	}, func(ctx context.Context, request *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
		var described workflowservice.DescribeWorkflowExecutionResponse
		return &described, g.upstream.Invoke(ctx, workflowservice.WorkflowService_DescribeWorkflowExecution_FullMethodName, request, &described)
	})
}

// passedOn is the caller's metadata without what is for the gateway or belongs to the connection.
func passedOn(ctx context.Context) metadata.MD {
	md, _ := metadata.FromIncomingContext(ctx) // a copy
	for _, own := range []string{":authority", "content-type", "user-agent", "grpc-accept-encoding", workspaceHeader} {
		md.Delete(own)
	}
	return md
}

// allowed asks the frontend whether the caller may make such a call in the namespace, by one that is of the same kind and names
// nothing: it is found invalid after it has been allowed.
func (g *Gateway) allowed(ctx context.Context, request proto.Message) error {
	empty := request.ProtoReflect().New()
	namespace := empty.Descriptor().Fields().ByName("namespace")
	empty.Set(namespace, protoreflect.ValueOfString(g.calls.Namespace))
	method, _ := grpc.Method(ctx)
	err := g.upstream.Invoke(ctx, method, empty.Interface(), &frame{})
	if status.Code(err) == codes.InvalidArgument {
		return nil
	}
	if err == nil {
		return status.Error(codes.Internal, "the frontend takes an empty call")
	}
	return err
}
