package admin_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

var (
	ctx       = context.Background()
	office    *admin.Client
	workspace uuid.UUID
	item      uuid.UUID
)

// A limit is set by a value, and left to the plan again by none.
func ExampleClient_SetWorkspace() {
	limits, err := office.SetWorkspace(ctx, workspace, admin.WorkspaceChange{
		MaxConcurrentWorkflows: &admin.Change[int]{To: new(50)},
		Cohort:                 &admin.Change[string]{},
	}, "ann")
	if errors.Is(err, admin.ErrUnknownWorkspace) {
		fmt.Println("there is no such workspace")
	}
	fmt.Println(limits.Name, limits.MaxConcurrentWorkflows)
}

// Items that have failed before they started can be tried again when the cause is mended.
func ExampleClient_Retry() {
	if _, err := office.Retry(ctx, admin.RetryFilter{IDs: []uuid.UUID{item}}, "ann"); err != nil {
		fmt.Println(err)
	}
	retried, err := office.Retry(ctx, admin.RetryFilter{WorkspaceID: workspace, Limit: 100}, "ann")
	fmt.Println(retried, err)
}

func TestAProgramSetsItselfUpAtEachStart(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, `DELETE FROM sluice.workspaces`)
	for range 2 {
		require.NoError(t, setUp(t.Context(), b.office))
		require.Equal(t, "Acme Inc. SHOP 10 2.5", one[string](t, b.pool, `SELECT concat_ws(' ', name, plan, ceiling, starts_per_second) FROM sluice.quotas`))
		definitions, err := b.office.Definitions(t.Context(), admin.DefinitionFilter{})
		require.NoError(t, err)
		require.Len(t, definitions, 1)
		require.Equal(t, 1, definitions[0].Version)
		require.Equal(t, 3, definitions[0].Nodes)
	}
}
