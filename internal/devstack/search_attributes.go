package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
)

// EnsureSearchAttributes returns once the namespace exists and has the
// attributes, adding those that are missing. It retries until ctx ends, because
// a server that listens does not serve yet. An attribute that exists with another
// type is an error.
func EnsureSearchAttributes(ctx context.Context, address, namespace string, attributes map[string]string) error {
	wanted := make(map[string]enumspb.IndexedValueType, len(attributes))
	for name, typeName := range attributes {
		valueType, err := enumspb.IndexedValueTypeFromString(typeName)
		if err != nil {
			return fmt.Errorf("search attribute %s: %w", name, err)
		}
		wanted[name] = valueType
	}
	var last error
	for {
		last = tryEnsure(ctx, address, namespace, wanted)
		var mismatch *attributeTypeError
		if last == nil || errors.As(last, &mismatch) {
			return last
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("%w; last: %w", err, last)
		}
	}
}

// attributeTypeError is what no retry mends.
type attributeTypeError struct {
	name      string
	is, wants enumspb.IndexedValueType
}

func (e *attributeTypeError) Error() string {
	return fmt.Sprintf("search attribute %s is registered as %s, not as %s; remove the data directory to start anew, or rename the attribute",
		e.name, e.is, e.wants)
}

// tryEnsure is one attempt. Success means that the frontend has
// shown the namespace and every attribute, so that a start may use them.
func tryEnsure(ctx context.Context, address, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{
		HostPort: address, Namespace: namespace,
		Logger:            log.NewStructuredLogger(slog.New(slog.DiscardHandler)), // the default one prints
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: 2 * time.Second},
	})
	if err != nil {
		return fmt.Errorf("connect to Temporal: %w", err)
	}
	defer c.Close()
	if _, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace}); err != nil {
		return fmt.Errorf("describe the namespace %s: %w", namespace, err)
	}
	listed, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list the search attributes: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, wants := range wanted {
		is, ok := listed.GetCustomAttributes()[name]
		switch {
		case !ok:
			missing[name] = wants
		case is != wants:
			return &attributeTypeError{name: name, is: is, wants: wants}
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	var exists *serviceerror.AlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("add search attributes: %w", err)
	}
	return errAdded // the next attempt sees them, or adds what another caller's race left out
}

var errAdded = errors.New("search attributes were added and are not listed yet")
