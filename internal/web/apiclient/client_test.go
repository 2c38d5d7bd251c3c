package apiclient_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"sluice/admin"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/web/access"
	"sluice/internal/web/api"
	"sluice/schema"
	"sluice/workflows"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// setup returns a client for each role that a token may have, and the workspace of the last one.
func setup(t *testing.T) (operator, reader, tenant *ClientWithResponses, workspace uuid.UUID) {
	t.Helper()
	pool, err := store.Open(t.Context(), devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	}), 8)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	address, namespace := devtest.Namespace(t, workflows.SearchAttributeTypes())
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: address, Namespace: namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Minute}})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	handler, err := api.New(api.Config{Pool: pool, Temporal: temporal, Guard: access.New(access.Config{DB: pool, Loopback: true}), Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	office := admin.New(pool)
	w, err := office.CreateWorkspace(t.Context(), "acme", "PRO", "ann")
	require.NoError(t, err)
	with := func(role string, of uuid.UUID) *ClientWithResponses {
		_, secret, err := office.CreateToken(t.Context(), admin.NewToken{Name: role, Role: role, WorkspaceID: of, Payloads: true}, "ann")
		require.NoError(t, err)
		c, err := NewClientWithResponses(server.URL, WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			r.Header.Set("Authorization", "Bearer "+secret)
			return nil
		}))
		require.NoError(t, err)
		return c
	}
	return with(admin.RoleOperatorWrite, uuid.Nil), with(admin.RoleOperatorRead, uuid.Nil), with(admin.RoleWorkspace, w.ID), w.ID
}

func TestAGeneratedClientEnqueuesFindsAndCancels(t *testing.T) {
	t.Parallel()
	_, _, tenant, workspace := setup(t)
	item := NewItem{Workflow: &NewWorkflow{Type: "SendInvoice", TaskQueue: new("invoices"), Args: &[]any{map[string]any{"order": 4711}}}, Priority: new(int64(1)), Delay: new("1h")}
	created, err := tenant.EnqueueWithResponse(t.Context(), &EnqueueParams{IdempotencyKey: new("order-4711")}, item)
	require.NoError(t, err)
	require.NotNil(t, created.JSON201, string(created.Body))
	id := created.JSON201.QueueId
	require.Equal(t, "/api/v1/items/"+id.String(), *created.Headers201.Location)
	again, err := tenant.EnqueueWithResponse(t.Context(), &EnqueueParams{IdempotencyKey: new("order-4711")}, item)
	require.NoError(t, err)
	require.NotNil(t, again.JSON200, "the key is held")
	require.Equal(t, id, again.JSON200.QueueId)

	many, err := tenant.EnqueueManyWithResponse(t.Context(), EnqueueManyInputBody{Items: []NewItem{{Workflow: &NewWorkflow{Type: "Other"}}, {Workflow: &NewWorkflow{Type: "Other"}}}})
	require.NoError(t, err)
	require.Len(t, many.JSON201.Answers, 2)
	listed, err := tenant.ListItemsWithResponse(t.Context(), &ListItemsParams{Type: new("SendInvoice"), Status: new(ListItemsParamsStatus("PENDING"))})
	require.NoError(t, err)
	require.Len(t, listed.JSON200.Items, 1)
	require.Equal(t, workspace, listed.JSON200.Items[0].WorkspaceId)
	got, err := tenant.GetItemWithResponse(t.Context(), id, &GetItemParams{Wait: new("1ms")})
	require.NoError(t, err)
	require.Equal(t, "scheduled", *got.JSON200.Reason)
	require.False(t, got.JSON200.Done)
	require.Contains(t, string(got.Body), "4711")

	cancelled, err := tenant.CancelItemWithResponse(t.Context(), id, Cancellation{Reason: new("mistake")})
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", cancelled.JSON200.Status)
	twice, err := tenant.CancelItemWithResponse(t.Context(), id, Cancellation{})
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, twice.StatusCode())
	require.Equal(t, "ended", twice.ApplicationproblemJSONDefault.Code)
}

func TestAGeneratedClientAdministers(t *testing.T) {
	t.Parallel()
	operator, reader, tenant, workspace := setup(t)
	w := workspace.String()
	set, err := operator.SetWorkspaceWithResponse(t.Context(), w, SetWorkspaceInputBody{MaxConcurrentWorkflows: nullable.NewNullableWithValue(int64(7)), StartsPerSecond: nullable.NewNullableWithValue(2.5)})
	require.NoError(t, err)
	require.EqualValues(t, 7, *set.JSON200.MaxConcurrentWorkflows, string(set.Body))
	set, err = operator.SetWorkspaceWithResponse(t.Context(), w, SetWorkspaceInputBody{MaxConcurrentWorkflows: nullable.NewNullNullable[int64]()})
	require.NoError(t, err)
	require.Nil(t, set.JSON200.MaxConcurrentWorkflows, "null takes the value away")
	require.EqualValues(t, 2.5, *set.JSON200.StartsPerSecond, "and what is not sent stays")

	paused, err := operator.PauseWithResponse(t.Context(), PauseInputBody{Workspace: &w, Reason: new("incident")})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, paused.StatusCode(), string(paused.Body))
	pauses, err := reader.ListPausesWithResponse(t.Context())
	require.NoError(t, err)
	require.Len(t, pauses.JSON200.Pauses, 1)
	status, err := reader.GetStatusWithResponse(t.Context())
	require.NoError(t, err)
	require.NotNil(t, status.JSON200, string(status.Body))

	for name, ask := range map[string]func() (*Problem, error){
		"a reader changes nothing": func() (*Problem, error) {
			r, err := reader.SetPlanWithResponse(t.Context(), w, SetPlanInputBody{Plan: "FREE"})
			return r.ApplicationproblemJSONDefault, err
		},
		"a tenant does not pause": func() (*Problem, error) {
			r, err := tenant.PauseWithResponse(t.Context(), PauseInputBody{})
			return r.ApplicationproblemJSONDefault, err
		},
	} {
		p, err := ask()
		require.NoError(t, err)
		require.NotNil(t, p, name)
		require.Equal(t, "forbidden", p.Code, name)
		require.EqualValues(t, http.StatusForbidden, p.Status, name)
	}
}
