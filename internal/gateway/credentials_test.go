package gateway_test

import (
	"context"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"sluice/internal/devstack/devtest"
	"sluice/internal/gateway"
)

func TestACallersMetadataPassesAndTheWorkersOwnDoesNot(t *testing.T) {
	t.Parallel()
	f := &frontend{}
	through := serve(t, func(c *gateway.Config) {
		c.Upstream = client.Options{HostPort: f.serve(t), Credentials: client.NewAPIKeyStaticCredentials("the-workers")}
	})
	without := dial(t, client.Options{HostPort: through})
	_, _ = without.WorkflowService().GetSystemInfo(t.Context(), &workflowservice.GetSystemInfoRequest{})
	require.Empty(t, f.last().Get("authorization"))

	with := dial(t, client.Options{HostPort: through, Credentials: client.NewAPIKeyStaticCredentials("a-callers"), ConnectionOptions: client.ConnectionOptions{TLSDisabled: true}})
	_, _ = with.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "w", TaskQueue: "q"}, "W")
	require.Equal(t, []string{"Bearer a-callers"}, f.last().Get("authorization"))
	require.Equal(t, []string{client.DefaultNamespace}, f.last().Get("temporal-namespace"))
	require.Equal(t, []string{"temporal-go"}, f.last().Get("client-name"))
}

// The queue would start it with the worker's own key.
func TestAStartIsOnlyEnqueuedForWhomTheFrontendAllowsIt(t *testing.T) {
	t.Parallel()
	f, q := &frontend{wantsKey: true}, &emptyQueue{}
	through := serve(t, func(c *gateway.Config) {
		c.Queue, c.Upstream = q, client.Options{HostPort: f.serve(t), Credentials: client.NewAPIKeyStaticCredentials("valid")}
	})
	start := func(key string) error {
		c, err := client.NewLazyClient(client.Options{HostPort: through, Credentials: client.NewAPIKeyStaticCredentials(key), ConnectionOptions: client.ConnectionOptions{TLSDisabled: true}})
		require.NoError(t, err)
		defer c.Close()
		_, err = c.WorkflowService().StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
			Namespace: client.DefaultNamespace, WorkflowId: "w", RequestId: "r", Priority: &commonpb.Priority{FairnessKey: "acme"}})
		return err
	}
	require.ErrorAs(t, start("wrong"), new(*serviceerror.PermissionDenied))
	require.Zero(t, q.count())
	require.NoError(t, start("valid"))
	require.Equal(t, 1, q.count())
}

// What allowed sends must be what a real frontend finds invalid, whatever kind of call it is.
func TestARealFrontendFindsAnEmptyCallInvalid(t *testing.T) {
	t.Parallel()
	address, namespace := devtest.Temporal(t, nil)
	c := dial(t, client.Options{HostPort: address, Namespace: namespace})
	s, ctx := c.WorkflowService(), t.Context()
	for name, call := range map[string]func() (proto.Message, error){
		"start": func() (proto.Message, error) {
			return s.StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{Namespace: namespace})
		},
		"describe": func() (proto.Message, error) {
			return s.DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{Namespace: namespace})
		},
		"history": func() (proto.Message, error) {
			return s.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: namespace})
		},
		"history backwards": func() (proto.Message, error) {
			return s.GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{Namespace: namespace})
		},
		"query": func() (proto.Message, error) {
			return s.QueryWorkflow(ctx, &workflowservice.QueryWorkflowRequest{Namespace: namespace})
		},
		"cancel": func() (proto.Message, error) {
			return s.RequestCancelWorkflowExecution(ctx, &workflowservice.RequestCancelWorkflowExecutionRequest{Namespace: namespace})
		},
		"terminate": func() (proto.Message, error) {
			return s.TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{Namespace: namespace})
		},
		"update": func() (proto.Message, error) {
			return s.UpdateWorkflowExecution(ctx, &workflowservice.UpdateWorkflowExecutionRequest{Namespace: namespace})
		},
		"signal": func() (proto.Message, error) {
			return s.SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{Namespace: namespace})
		},
		"reset": func() (proto.Message, error) {
			return s.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{Namespace: namespace})
		},
		"delete": func() (proto.Message, error) {
			return s.DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{Namespace: namespace})
		},
		"options": func() (proto.Message, error) {
			return s.UpdateWorkflowExecutionOptions(ctx, &workflowservice.UpdateWorkflowExecutionOptionsRequest{Namespace: namespace})
		},
		"update that is waited for": func() (proto.Message, error) {
			return s.PollWorkflowExecutionUpdate(ctx, &workflowservice.PollWorkflowExecutionUpdateRequest{Namespace: namespace})
		},
		"heartbeat": func() (proto.Message, error) {
			return s.RecordActivityTaskHeartbeatById(ctx, &workflowservice.RecordActivityTaskHeartbeatByIdRequest{Namespace: namespace})
		},
		"activity completed": func() (proto.Message, error) {
			return s.RespondActivityTaskCompletedById(ctx, &workflowservice.RespondActivityTaskCompletedByIdRequest{Namespace: namespace})
		},
		"activity failed": func() (proto.Message, error) {
			return s.RespondActivityTaskFailedById(ctx, &workflowservice.RespondActivityTaskFailedByIdRequest{Namespace: namespace})
		},
		"activity canceled": func() (proto.Message, error) {
			return s.RespondActivityTaskCanceledById(ctx, &workflowservice.RespondActivityTaskCanceledByIdRequest{Namespace: namespace})
		},
	} {
		_, err := call()
		require.Equal(t, codes.InvalidArgument, serviceerror.ToStatus(err).Code(), "%s: %v", name, err)
	}
}

func TestTheWorkspaceIsThatOfTheMetadataElseOfTheFairnessKey(t *testing.T) {
	t.Parallel()
	f, q := &frontend{}, &emptyQueue{}
	through := serve(t, func(c *gateway.Config) { c.Queue, c.Upstream = q, client.Options{HostPort: f.serve(t)} })
	start := func(id, fairnessKey string, headers map[string]string) (runID string, err error) {
		c := dial(t, client.Options{HostPort: through, HeadersProvider: headersOf(headers)})
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "q", Priority: temporal.Priority{FairnessKey: fairnessKey}}, "W")
		if err != nil {
			return "", err
		}
		return run.GetRunID(), nil
	}
	for name, s := range map[string]struct {
		key     string
		headers map[string]string
		run     string
	}{
		"neither":           {"", nil, "of-temporal"},
		"the fairness key":  {"acme", nil, itemID.String()},
		"the metadata":      {"", map[string]string{"sluice-workspace": "acme"}, itemID.String()},
		"both":              {"globex", map[string]string{"sluice-workspace": "acme"}, itemID.String()},
		"nobody, by choice": {"acme", map[string]string{"sluice-workspace": ""}, "of-temporal"},
	} {
		run, err := start(name, s.key, s.headers)
		require.NoError(t, err, name)
		require.Equal(t, s.run, run, name)
	}
	_, err := start("unknown", "globex", nil)
	require.ErrorAs(t, err, new(*serviceerror.InvalidArgument))
}

type headersOf map[string]string

func (h headersOf) GetHeaders(context.Context) (map[string]string, error) { return h, nil }

func TestAnAddressThatOthersReachNeedsTLSAndAuthentication(t *testing.T) {
	t.Parallel()
	own := gateway.TLS{Cert: "c", Key: "k"}
	strict := gateway.TLS{Cert: "c", Key: "k", ClientCA: "a"}
	key := client.Options{Credentials: client.NewAPIKeyStaticCredentials("key")}
	certificate := client.Options{ConnectionOptions: client.ConnectionOptions{TLS: &tls.Config{Certificates: []tls.Certificate{{}}}}}
	for _, tt := range []struct {
		address  string
		own      gateway.TLS
		upstream client.Options
		want     string
	}{
		{"127.0.0.1:7234", gateway.TLS{}, client.Options{}, ""},
		{"[::1]:7234", gateway.TLS{}, key, ""},
		{"localhost:7234", own, client.Options{}, ""},
		{":7234", gateway.TLS{}, key, "set --gateway-tls-cert and --gateway-tls-key"},
		{"0.0.0.0:7234", gateway.TLS{}, client.Options{}, "or listen on 127.0.0.1"},
		{"10.0.0.1:7234", own, client.Options{}, "set --gateway-tls-client-ca"},
		{"10.0.0.1:7234", own, key, ""},
		{"10.0.0.1:7234", strict, client.Options{}, ""},
		{"127.0.0.1:7234", own, certificate, "let callers show certificates of their own"},
		{"10.0.0.1:7234", own, certificate, "let callers show certificates of their own"},
		{"10.0.0.1:7234", strict, certificate, ""},
		{"127.0.0.1:7234", gateway.TLS{Cert: "c"}, client.Options{}, "go together"},
		{"127.0.0.1:7234", gateway.TLS{ClientCA: "a"}, client.Options{}, "--gateway-tls-client-ca needs"},
	} {
		err := gateway.Check(tt.address, tt.own, tt.upstream)
		if tt.want == "" {
			require.NoError(t, err, tt.address)
		} else {
			require.ErrorContains(t, err, tt.want, tt.address)
		}
	}
}
