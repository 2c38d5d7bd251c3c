package connect

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/alive"
)

// Temporal dials the server and returns the client once the server has answered and has shown the namespace. The
// caller closes the client. Errors: *Error, or the context's.
func Temporal(ctx context.Context, options client.Options, wait Wait) (client.Client, error) {
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	alive.WatchTemporal(&options)
	AnyID(&options)
	OnlyTemporals(&options)
	var c client.Client
	young := false // the server was not there a moment ago
	err := wait.until(ctx, "Temporal", options.HostPort, func(ctx context.Context) *failure {
		if c == nil {
			dialed, err := client.DialContext(ctx, options)
			if err != nil {
				young = true
				return temporalFailure(err, options)
			}
			c = dialed
		}
		_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace})
		failed := temporalFailure(err, options)
		var missing *serviceerror.NamespaceNotFound
		if errors.As(err, &missing) && young {
			failed.final = false // set-up scripts create the namespace just after the server came up
		}
		return failed
	})
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, err
	}
	return c, nil
}

// temporalFailure tells what the error of a dial or of DescribeNamespace means; nil for nil.
func temporalFailure(err error, options client.Options) *failure {
	if err == nil {
		return nil
	}
	f := &failure{reason: grpcReason(err), remedy: "is it running, and is TEMPORAL_ADDRESS right?", err: err}
	var notFound *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &notFound):
		f.final = true
		f.reason = fmt.Sprintf("namespace %q does not exist", options.Namespace)
		f.remedy = fmt.Sprintf("create it with: temporal operator namespace create --address %s --namespace %s, or set TEMPORAL_NAMESPACE",
			options.HostPort, options.Namespace)
	case strings.Contains(err.Error(), "code = Unauthenticated"), strings.Contains(strings.ToLower(err.Error()), "unauthenticated"), errors.As(err, &denied):
		f.final = true
		f.remedy = "check TEMPORAL_API_KEY, or the client certificate in TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH"
	case strings.Contains(f.reason, "first record does not look like a TLS handshake"):
		f.final = true
		f.reason, f.remedy = "the server does not speak TLS", "unset TEMPORAL_API_KEY and the TEMPORAL_TLS variables, or set TEMPORAL_TLS=false"
	case isTLS(f.reason):
		f.final = true
		f.remedy = "check TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_SERVER_NAME and the client certificate"
	case strings.Contains(f.reason, "server preface"):
		f.remedy = "does the server want TLS? set TEMPORAL_TLS=true; otherwise TEMPORAL_ADDRESS may name something that is not Temporal"
	case errors.As(err, &invalid):
		f.final = true
	}
	return f
}

// grpcReason takes the reason out of the layers that gRPC wraps around it.
func grpcReason(err error) string {
	if reason := networkReason(err); reason != "" {
		return reason
	}
	text := err.Error()
	if at := strings.LastIndex(text, `desc = "`); at >= 0 {
		text = strings.TrimRight(text[at+len(`desc = "`):], `"`)
	}
	for _, noise := range []string{"failed reaching server: ", "last connection error: ", "transport: ", "Error while dialing: ", "authentication handshake failed: "} {
		text = strings.ReplaceAll(text, noise, "")
	}
	if at := strings.LastIndex(text, ": connect: "); at >= 0 {
		text = text[at+len(": connect: "):]
	}
	return strings.TrimSpace(text)
}
