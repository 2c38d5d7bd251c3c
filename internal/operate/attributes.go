package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

// attributesTimeout bounds how long the server may take to show attributes that were added.
const attributesTimeout = 20 * time.Second

const keyword = enumspb.INDEXED_VALUE_TYPE_KEYWORD

// ensureAttributes returns once the namespace shows all search attributes that executions carry, adding those that
// are missing. Where that is not allowed (Temporal Cloud) it says how to add them by hand.
func ensureAttributes(ctx context.Context, c client.Client, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, attributesTimeout)
	defer cancel()
	for {
		missing, err := missingAttributes(ctx, c, namespace)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			return nil
		}
		_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
		var exists *serviceerror.AlreadyExists
		switch {
		case isForbidden(err):
			return byHand(namespace, missing, err)
		case err != nil && !errors.As(err, &exists) && !isRace(err):
			return fmt.Errorf("register search attributes in namespace %s: %w", namespace, err)
		}
		// Two that add at once overwrite each other, so only what the server shows counts.
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return fmt.Errorf("register search attributes in namespace %s: the server does not show them after %s: %w", namespace, attributesTimeout, err)
		}
	}
}

// missingAttributes compares what we need with what the namespace has. One of another type is an error.
func missingAttributes(ctx context.Context, c client.Client, namespace string) (map[string]enumspb.IndexedValueType, error) {
	have, err := listAttributes(ctx, c, namespace)
	missing := map[string]enumspb.IndexedValueType{}
	for _, name := range workflows.SearchAttributes() {
		kind, ok := have[name]
		switch {
		case !ok:
			missing[name] = keyword
		case kind != keyword:
			return nil, fmt.Errorf("search attribute %s of namespace %s is of type %s, not Keyword: remove it or use another namespace", name, namespace, kind)
		}
	}
	if isForbidden(err) {
		return nil, byHand(namespace, missing, err)
	}
	return missing, err
}

func listAttributes(ctx context.Context, c client.Client, namespace string) (map[string]enumspb.IndexedValueType, error) {
	listed, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err == nil {
		return listed.GetCustomAttributes(), nil
	}
	if isForbidden(err) {
		if all, queryErr := queryAttributes(ctx, c); queryErr == nil {
			return all, nil
		}
	}
	return nil, fmt.Errorf("list search attributes of namespace %s: %w", namespace, err)
}

// queryAttributes is for who may not list them: a server refuses a query with an attribute that the namespace does not have. What the
// workflow service lists are the columns in which the cluster keeps them, not what they are called in a namespace.
func queryAttributes(ctx context.Context, c client.Client) (map[string]enumspb.IndexedValueType, error) {
	all, conditions := map[string]enumspb.IndexedValueType{}, []string{}
	for _, name := range workflows.SearchAttributes() {
		all[name], conditions = keyword, append(conditions, name+" = 'x'")
	}
	_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: strings.Join(conditions, " AND ")})
	return all, err
}

func isForbidden(err error) bool {
	var denied *serviceerror.PermissionDenied
	var unimplemented *serviceerror.Unimplemented
	return errors.As(err, &denied) || errors.As(err, &unimplemented)
}

// isRace recognises that another process wrote the namespace record in the meantime.
func isRace(err error) bool {
	var unavailable *serviceerror.Unavailable
	var aborted *serviceerror.Aborted
	return errors.As(err, &unavailable) || errors.As(err, &aborted)
}

func byHand(namespace string, missing map[string]enumspb.IndexedValueType, cause error) error {
	var names, flags, cloud []string
	for _, name := range workflows.SearchAttributes() {
		if _, ok := missing[name]; ok {
			names = append(names, name)
			flags = append(flags, "--name "+name+" --type Keyword")
			cloud = append(cloud, "--sa "+name+"=Keyword")
		}
	}
	return fmt.Errorf("%w in namespace %s and cannot be registered from here (%w): add %s, all of type Keyword, by hand: "+
		"temporal operator search-attribute create --namespace %s %s; on Temporal Cloud: tcld namespace search-attributes add --namespace %s %s",
		ErrAttributes, namespace, cause, strings.Join(names, ", "), namespace, strings.Join(flags, " "), namespace, strings.Join(cloud, " "))
}
