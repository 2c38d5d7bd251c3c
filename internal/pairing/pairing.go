// Package pairing ties a database to one Temporal namespace, so that a wrong variable does not end what runs or start work in
// two places.
//
// The database names its namespace (sluice.installation), and the namespace names its database: the dispatcher carries the
// installation's id in its memo. `starter start` writes both, and nothing else does. Whatever works on both asks first: a worker
// before it polls, a dispatcher's run before it takes its shard over, each pass of recovery before it ends anything.
//
//	the namespace names      the database names     verdict
//	nothing                  nothing                none yet: `starter start` pairs them
//	this database            this namespace         they belong together
//	nothing                  this namespace         they do; the dispatcher was stopped so long ago that Temporal has forgotten it
//	nothing                  another namespace      ErrOtherNamespace; Check looks there, because a client does not tell its namespace
//	another database         anything               ErrOtherDatabase
//	anything                 another namespace      ErrOtherNamespace
//
// A move to another namespace gives the installation another id, so that what still works for the former pair is refused.
//
// It must not know what either is used for.
package pairing

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/workflows"
)

// What can be wrong. Test with errors.Is; the messages name both sides.
var (
	// ErrOtherDatabase says that the namespace belongs to another database.
	ErrOtherDatabase = errors.New("the namespace belongs to another database")
	// ErrOtherNamespace says that the database belongs to another namespace.
	ErrOtherNamespace = errors.New("the database belongs to another namespace")
	// ErrUnpaired says that they do not belong together yet.
	ErrUnpaired = errors.New("namespace and database do not belong together yet; run: starter start")
)

// memoKey is where the dispatcher names the database.
const memoKey = "sluiceInstallation"

// record is what the namespace knows of its database.
type record struct {
	ID       uuid.UUID `json:"id"`
	Database string    `json:"database"`
}

// Memo is what the dispatcher of the database's namespace carries.
func Memo(i catalog.Installation) map[string]any {
	return map[string]any{memoKey: record{ID: i.ID, Database: i.Database}}
}

// Check returns nil if the client's namespace and the database belong together. It need not be told the namespace. One that names no
// database is taken for the right one while nobody's dispatcher is known; Verify is not misled by that. Errors: ErrUnpaired,
// ErrOtherDatabase, ErrOtherNamespace, or a server's own.
func Check(ctx context.Context, c client.Client, db store.DB) error {
	i, err := catalog.ReadInstallation(ctx, db)
	if err != nil {
		return err
	}
	named, err := recorded(ctx, c)
	switch {
	case err != nil:
		return err
	case named != nil && named.ID != i.ID:
		return otherDatabase(i, named)
	case named == nil && i.NamespaceID == "":
		return ErrUnpaired
	case named == nil:
		return elsewhere(ctx, c, i)
	}
	return nil
}

// elsewhere returns ErrOtherNamespace if the client's namespace, which names no database, is not the one that the database names: its
// cluster has none of that name and id, or that one has the dispatcher which the client does not find.
func elsewhere(ctx context.Context, c client.Client, i catalog.Installation) error {
	other := func() error {
		return fmt.Errorf("%w: database %q belongs to namespace %q (id %s), and this client is of another one; set TEMPORAL_NAMESPACE and TEMPORAL_ADDRESS "+
			"to that one, or move the database with: starter start --move", ErrOtherNamespace, i.Database, i.Namespace, i.NamespaceID)
	}
	id, err := namespaceID(ctx, c, i.Namespace)
	var unknown *serviceerror.NamespaceNotFound
	var none *serviceerror.NotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case errors.As(err, &denied): // it may look into no namespace, not even its own
		return nil
	case errors.As(err, &unknown), errors.As(err, &none), err == nil && id != i.NamespaceID:
		return other()
	case err != nil:
		return err
	}
	_, err = c.WorkflowService().DescribeWorkflowExecution(ctx, &workflowservice.DescribeWorkflowExecutionRequest{
		Namespace: i.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: workflows.DispatcherID}})
	switch {
	case errors.As(err, &none), errors.As(err, &denied):
		return nil
	case err != nil:
		return fmt.Errorf("describe workflow %s in namespace %s: %w", workflows.DispatcherID, i.Namespace, err)
	}
	named, err := recorded(ctx, c) // it may have been started meanwhile
	if err == nil && named == nil {
		return other()
	}
	return err
}

func otherDatabase(i catalog.Installation, named *record) error {
	return fmt.Errorf("%w: it is that of database %q (installation %s), not of %q; give each database a namespace of its own, "+
		"or if the former is no longer used take the namespace over with: starter start --move", ErrOtherDatabase, named.Database, named.ID, i.Database)
}

// Verify returns nil if the namespace, which is the client's, is the database's or may become it. It also tells namespaces of the same
// name in two clusters apart. Errors: ErrOtherDatabase, ErrOtherNamespace, or a server's own.
func Verify(ctx context.Context, c client.Client, namespace string, db store.DB) (catalog.Installation, error) {
	i, err := catalog.ReadInstallation(ctx, db)
	if err != nil {
		return i, err
	}
	if i.NamespaceID != "" {
		id, err := namespaceID(ctx, c, namespace)
		if err != nil {
			return i, err
		}
		if id != i.NamespaceID {
			return i, fmt.Errorf("%w: database %q belongs to namespace %q (id %s), not to %q (id %s); set TEMPORAL_NAMESPACE and TEMPORAL_ADDRESS to that one, "+
				"or move the database with: starter start --move", ErrOtherNamespace, i.Database, i.Namespace, i.NamespaceID, namespace, id)
		}
	}
	named, err := recorded(ctx, c)
	if err == nil && named != nil && named.ID != i.ID {
		err = otherDatabase(i, named)
	}
	return i, err
}

// Pair notes the namespace in the database, after Verify. Memo of what it returns is to be put into the namespace.
func Pair(ctx context.Context, c client.Client, namespace string, db store.DB) (catalog.Installation, error) {
	i, err := Verify(ctx, c, namespace, db)
	if err != nil || i.NamespaceID != "" {
		return i, err
	}
	id, err := namespaceID(ctx, c, namespace)
	if err != nil {
		return i, err
	}
	if err := catalog.Pair(ctx, db, namespace, id); err != nil {
		return i, err
	}
	return Verify(ctx, c, namespace, db) // another start may have been first, with another namespace
}

// Move gives the database to the namespace, whatever they belonged to, and returns the new installation. Unless abandon is
// true, executions that hold slots are in the way (catalog.ErrRunning).
func Move(ctx context.Context, c client.Client, namespace string, db store.DB, abandon bool) (catalog.Installation, error) {
	id, err := namespaceID(ctx, c, namespace)
	if err != nil {
		return catalog.Installation{}, err
	}
	if _, err := catalog.Move(ctx, db, namespace, id, abandon); err != nil {
		return catalog.Installation{}, err
	}
	return catalog.ReadInstallation(ctx, db)
}

// recorded is what the client's namespace knows of its database; nil: nothing.
func recorded(ctx context.Context, c client.Client) (*record, error) {
	described, err := c.DescribeWorkflowExecution(ctx, workflows.DispatcherID, "")
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("describe workflow %s: %w", workflows.DispatcherID, err)
	}
	return fromMemo(described.GetWorkflowExecutionInfo().GetMemo())
}

func fromMemo(memo *commonpb.Memo) (*record, error) {
	payload, ok := memo.GetFields()[memoKey]
	if !ok {
		return nil, nil
	}
	var named record
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &named); err != nil {
		return nil, fmt.Errorf("read the memo of workflow %s: %w", workflows.DispatcherID, err)
	}
	return &named, nil
}

func namespaceID(ctx context.Context, c client.Client, namespace string) (string, error) {
	described, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return "", fmt.Errorf("describe namespace %s: %w", namespace, err)
	}
	return described.GetNamespaceInfo().GetId(), nil
}
