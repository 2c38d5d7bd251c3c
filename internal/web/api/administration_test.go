package api_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/bounds"
	"sluice/internal/operate/operatetest"
	"sluice/queue"
)

func TestWorkspacesAreAdministered(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := uuid.NewString()
	created := b.send("", http.MethodPost, "/api/v1/workspaces", object{"name": "Shop", "plan": "pro", "id": id, "externalKey": "shop/1"}).object(http.StatusCreated)
	require.Equal(t, object{"id": id, "name": "Shop", "plan": "PRO", "externalKey": "shop/1"}, created)
	b.send("", http.MethodPost, "/api/v1/workspaces", object{"name": "Shop", "plan": "GOLD"}).problem(http.StatusUnprocessableEntity, "unknown-plan")
	b.send("", http.MethodPost, "/api/v1/workspaces", object{"name": "Twin", "id": id}).problem(http.StatusUnprocessableEntity, "invalid")

	byKey := "/api/v1/workspaces/shop%2F1"
	set := b.send("", http.MethodPatch, byKey, object{"maxConcurrentWorkflows": 7, "startsPerSecond": 0.5, "burst": 3, "lendingLimit": 2, "cohort": "eu", "allowedHosts": []string{"api.example.com"}}).object(http.StatusOK)
	require.EqualValues(t, 7, set["maxConcurrentWorkflows"])
	require.EqualValues(t, 2, set["lendingLimit"])
	set = b.send("", http.MethodPatch, byKey, object{"maxConcurrentWorkflows": nil, "startsPerSecond": nil}).object(http.StatusOK)
	require.NotContains(t, set, "maxConcurrentWorkflows")
	require.NotContains(t, set, "burst", "it says nothing without a rate")
	require.Equal(t, "eu", set["cohort"], "what is not given stays")
	b.send("", http.MethodPatch, byKey, object{}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send("", http.MethodPatch, byKey, object{"weight": 0}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, "FREE", b.send("", http.MethodPut, byKey+"/plan", object{"plan": "FREE"}).object(http.StatusOK)["plan"])

	got := b.send("", http.MethodGet, "/api/v1/workspaces/"+id, nil).object(http.StatusOK)
	require.Equal(t, "eu", got["limits"].(object)["cohort"])
	require.EqualValues(t, 0, got["pending"])
	require.Len(t, b.send("", http.MethodGet, "/api/v1/workspaces", nil).object(http.StatusOK)["workspaces"], 2)
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	require.Len(t, b.send(own, http.MethodGet, "/api/v1/workspaces?since=7d", nil).object(http.StatusOK)["workspaces"], 1)
	b.send(own, http.MethodGet, "/api/v1/workspaces?since=8784h", nil).problem(http.StatusUnprocessableEntity, "invalid") // all workspaces pay for what it reads
	require.Len(t, b.send(b.token(admin.RoleOperatorRead, uuid.Nil, false), http.MethodGet, "/api/v1/workspaces?since=8784h", nil).object(http.StatusOK)["workspaces"], 2)
	require.Equal(t, "acme", b.send(own, http.MethodGet, "/api/v1/workspaces/"+b.workspace.String(), nil).object(http.StatusOK)["name"])

	var actors []string
	require.NoError(t, b.pool.QueryRow(t.Context(), `SELECT array_agg(DISTINCT actor) FROM sluice.activity WHERE workspace_id = $1`, id).Scan(&actors))
	require.Equal(t, []string{"api"}, actors, "who has done it is on record")
}

func TestPlansAndLimitsAreSet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	gold := b.send("", http.MethodPatch, "/api/v1/tiers/GOLD", object{"maxConcurrentWorkflows": 90, "nominalQuota": 10, "lendingLimit": 4}).object(http.StatusOK)
	require.Equal(t, object{"plan": "GOLD", "maxConcurrentWorkflows": 90.0, "nominalQuota": 10.0, "lendingLimit": 4.0, "weight": 1.0}, gold)
	gold = b.send("", http.MethodPatch, "/api/v1/tiers/GOLD", object{"nominalQuota": nil, "weight": 3}).object(http.StatusOK)
	require.NotContains(t, gold, "nominalQuota")
	require.Contains(t, b.send("", http.MethodGet, "/api/v1/tiers", nil).object(http.StatusOK)["tiers"], any(gold))
	b.send("", http.MethodPatch, "/api/v1/tiers/GOLD", object{"weight": nil}).problem(http.StatusUnprocessableEntity, "invalid")

	limits := b.send("", http.MethodPatch, "/api/v1/limits", object{"maxConcurrentWorkflows": 200, "retention": "90d", "ageingStep": "90s", "autoCreatePlan": "GOLD", "fairness": "starts"}).object(http.StatusOK)
	require.Equal(t, object{"maxConcurrentWorkflows": 200.0, "ageingStep": "1m30s", "retention": "2160h0m0s", "autoCreatePlan": "GOLD", "taskQueueTemplate": "workflow.workspace.{workspace}", "fairness": "starts"}, limits)
	limits = b.send("", http.MethodPatch, "/api/v1/limits", object{"maxConcurrentWorkflows": nil, "retention": "0"}).object(http.StatusOK)
	require.Nil(t, limits["maxConcurrentWorkflows"])
	require.Equal(t, "0s", limits["retention"])
	require.Equal(t, limits, b.send("", http.MethodGet, "/api/v1/limits", nil).object(http.StatusOK))
	b.send("", http.MethodPatch, "/api/v1/limits", object{"fairness": "luck"}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send("", http.MethodPatch, "/api/v1/limits", object{"retention": "soon"}).problem(http.StatusUnprocessableEntity, "invalid")
	// The first item of a workspace that nobody has created creates it, for those who may see all.
	b.send("", http.MethodPost, "/api/v1/items", object{"workspace": "new-one", "workflow": object{"type": "T"}}).object(http.StatusCreated)
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	b.send(own, http.MethodPost, "/api/v1/items", object{"workspace": "new-two", "workflow": object{"type": "T"}}).problem(http.StatusNotFound, "unknown-workspace")
	require.Len(t, b.send(b.token(admin.RoleOperatorRead, uuid.Nil, false), http.MethodGet, "/api/v1/workspaces", nil).object(http.StatusOK)["workspaces"], 2)
}

func TestDefinitionsAreAppliedReadAndDeleted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	graph := object{"name": "greet", "nodes": []any{object{"name": "first", "type": "noop"}, object{"name": "second", "type": "delay", "config": object{"duration": "1s"}}}}
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	applied := b.send(own, http.MethodPost, "/api/v1/definitions", object{"graph": graph}).object(http.StatusOK)
	require.EqualValues(t, 1, applied["version"])
	again := b.send(own, http.MethodPost, "/api/v1/definitions", object{"graph": graph, "workspace": b.workspace.String()}).object(http.StatusOK)
	require.Equal(t, applied, again)
	got := b.send(own, http.MethodGet, "/api/v1/definitions/"+applied["id"].(string), nil).object(http.StatusOK)
	require.Equal(t, "greet", got["graph"].(object)["name"])
	require.Len(t, b.send(own, http.MethodGet, "/api/v1/definitions", nil).object(http.StatusOK)["definitions"], 2)
	page := b.send(own, http.MethodGet, "/api/v1/definitions?limit=1", nil).object(http.StatusOK)
	require.Len(t, page["definitions"], 1)
	page = b.send(own, http.MethodGet, "/api/v1/definitions?limit=2&after="+page["next"].(string), nil).object(http.StatusOK)
	require.Len(t, page["definitions"], 1)
	require.NotContains(t, page, "next")
	b.send(own, http.MethodGet, "/api/v1/definitions?after="+uuid.NewString(), nil).problem(http.StatusNotFound, "unknown-definition")
	p := b.send(own, http.MethodPost, "/api/v1/definitions", object{"graph": object{"name": "x", "nodes": []any{object{"type": "nope"}}}}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Contains(t, p["detail"], "nope")
	b.send(b.token(admin.RoleOperatorRead, uuid.Nil, false), http.MethodDelete, "/api/v1/definitions/"+applied["id"].(string), nil).problem(http.StatusForbidden, "forbidden")
	require.Equal(t, applied, b.send(own, http.MethodDelete, "/api/v1/definitions/"+applied["id"].(string), nil).object(http.StatusOK), "it tells what is gone")
	b.send(own, http.MethodDelete, "/api/v1/definitions/"+applied["id"].(string), nil).problem(http.StatusNotFound, "unknown-definition")
	b.exec(`INSERT INTO sluice.workflow_definitions (workspace_id, name) SELECT $1, 'made ' || n FROM generate_series(2, $2::int) AS n`, b.workspace, bounds.MaxDefinitions)
	p = b.send(own, http.MethodPost, "/api/v1/definitions", object{"graph": object{"name": "x", "nodes": []any{object{"name": "x", "type": "noop"}}}}).problem(http.StatusUnprocessableEntity, "too-many-definitions")
	require.Contains(t, p["detail"], "1000 definitions")
	operator := b.token(admin.RoleOperatorWrite, uuid.Nil, false)
	b.send(operator, http.MethodPost, "/api/v1/definitions", object{"graph": graph}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send(operator, http.MethodPost, "/api/v1/definitions", object{"graph": graph, "workspace": uuid.NewString()}).problem(http.StatusNotFound, "unknown-workspace")
	b.send(operator, http.MethodGet, "/api/v1/definitions/"+uuid.NewString(), nil).problem(http.StatusNotFound, "unknown-definition")
}

func TestTheStatusIsToldWhetherADispatcherAnswersOrNot(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.enqueue()
	status := b.send("", http.MethodGet, "/api/v1/status", nil).object(http.StatusOK)
	require.Contains(t, status["dispatcherError"], "not running")
	require.EqualValues(t, 1, status["workspaces"].([]any)[0].(object)["pending"])

	operatetest.Worker(t, b.temporal)
	b.startDispatcher()
	status = b.send("", http.MethodGet, "/api/v1/status", nil).object(http.StatusOK)
	require.Equal(t, "waiting", status["dispatcher"].(object)["phase"])
	b.send("", http.MethodPost, "/api/v1/items/"+id+"/cancel", nil).object(http.StatusOK) // the dispatcher here starts nothing
	audit := b.send("", http.MethodGet, "/api/v1/audit?since=1m", nil).object(http.StatusOK)
	require.EqualValues(t, 0, audit["violations"])
	require.Len(t, audit["invariants"], 5)
}

func TestWhatWaitsIsToldWithItsReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other, definition := b.newWorkspace("other")
	_, err := b.office.SetWorkspace(t.Context(), other, admin.WorkspaceChange{MaxConcurrentWorkflows: &admin.Change[int]{To: new(0)}}, "ann")
	require.NoError(t, err)
	b.enqueue()
	for range 2 {
		_, err := b.queue.Enqueue(t.Context(), queue.Item{WorkspaceID: other, DefinitionID: definition})
		require.NoError(t, err)
	}
	waits := b.send("", http.MethodGet, "/api/v1/waits", nil).object(http.StatusOK)
	require.Len(t, waits["workspaces"], 2)
	first := waits["reasons"].([]any)[0].(object)
	require.Equal(t, "at-capacity", first["reason"])
	require.EqualValues(t, 2, first["pending"])
	own := b.token(admin.RoleWorkspace, b.workspace, false)
	waits = b.send(own, http.MethodGet, "/api/v1/waits", nil).object(http.StatusOK)
	require.Len(t, waits["workspaces"], 1)
	require.Equal(t, "acme", waits["workspaces"].([]any)[0].(object)["name"])
}
