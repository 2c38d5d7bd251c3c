package devtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"google.golang.org/protobuf/types/known/durationpb"

	"sluice/internal/devstack"
)

var temporal struct {
	mu         sync.Mutex
	server     *devstack.Temporal
	err        error
	namespaces atomic.Int64
}

// Temporal returns the shared dev server: in memory, without a Web UI. Its
// namespace has the attributes (name to type, as in devstack.Config) of every
// call so far; they add up.
func Temporal(t testing.TB, attributes map[string]string) (address, namespace string) {
	t.Helper()
	server := sharedTemporal(t)
	ensureAttributes(t, server.Address, server.Namespace, attributes)
	return server.Address, server.Namespace
}

// Namespace returns a namespace of the test's own on the shared dev server, for
// tests that use workflow ids which others use as well.
func Namespace(t testing.TB, attributes map[string]string) (address, namespace string) {
	t.Helper()
	server := sharedTemporal(t)
	namespace = fmt.Sprintf("test-%d", temporal.namespaces.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := register(ctx, server.Address, namespace); err != nil {
		t.Fatalf("register the namespace %s: %v", namespace, err)
	}
	ensureAttributes(t, server.Address, namespace, attributes)
	return server.Address, namespace
}

func sharedTemporal(t testing.TB) *devstack.Temporal {
	t.Helper()
	temporal.mu.Lock()
	defer temporal.mu.Unlock()
	if temporal.server == nil && temporal.err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		temporal.server, temporal.err = devstack.StartTemporal(ctx, devstack.TemporalConfig{
			InMemory: true, Headless: true, Progress: t.Logf,
		})
	}
	if temporal.err != nil {
		t.Fatalf("start the shared Temporal dev server: %v", temporal.err)
	}
	return temporal.server
}

func closeTemporal() error {
	temporal.mu.Lock()
	defer temporal.mu.Unlock()
	if temporal.server == nil {
		return nil
	}
	return temporal.server.Close()
}

// attributesMu lets one test at a time add attributes: two at once would write
// the same namespace record, and one of them would lose.
var attributesMu sync.Mutex

func ensureAttributes(t testing.TB, address, namespace string, attributes map[string]string) {
	t.Helper()
	attributesMu.Lock()
	defer attributesMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := devstack.EnsureSearchAttributes(ctx, address, namespace, attributes); err != nil {
		t.Fatalf("register search attributes: %v", err)
	}
}

func register(ctx context.Context, address, namespace string) error {
	c, err := client.NewNamespaceClient(client.Options{
		HostPort: address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		err = c.Register(ctx, &workflowservice.RegisterNamespaceRequest{
			Namespace: namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		var exists *serviceerror.NamespaceAlreadyExists
		if errors.As(err, &exists) {
			return nil
		}
		// A call ends after ten seconds by itself, which a server on a busy machine may take.
		var late *serviceerror.DeadlineExceeded
		if !errors.As(err, &late) || ctx.Err() != nil {
			return err
		}
	}
}
