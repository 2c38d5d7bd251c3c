package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
)

// ran puts executions of ten seconds on record, all of which became available at a moment.
func (b *bundle) ran(workspace uuid.UUID, n int, at time.Time) {
	b.t.Helper()
	b.exec(`INSERT INTO sluice.ended (id, workspace_id, workflow_type, task_queue, status, priority,
			attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
		SELECT gen_random_uuid(), $1, 'Order', 'q', 'COMPLETED', 3, 0, $3::timestamptz, $3, $3, $3, $3::timestamptz + interval '10 seconds', 'x', 'x'
		FROM generate_series(1, $2)`, workspace, n, at)
}

func TestWhatHasRunIsPlayedAgainstOtherLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	free, err := b.office.CreateWorkspace(t.Context(), "free", "FREE", "ann")
	require.NoError(t, err)
	hourAgo := time.Now().Add(-time.Hour).Truncate(time.Second)
	b.ran(b.workspace, 30, hourAgo)
	b.ran(free.ID, 4, hourAgo)
	simulate := func(body object) object {
		return b.send("", http.MethodPost, "/api/v1/simulate", body).object(http.StatusOK)
	}
	of := func(got object, name string) (now, then object) {
		for _, w := range got["workspaces"].([]any) {
			if w := w.(object); w["name"] == name {
				return w["now"].(object), w["then"].(object)
			}
		}
		t.Fatalf("%s is not in %v", name, got)
		return nil, nil
	}
	got := simulate(object{"plans": []any{object{"plan": "PRO", "maxConcurrentWorkflows": 10}}, "workspaces": []any{object{"workspace": free.ID.String(), "maxConcurrentWorkflows": 1}}})
	require.EqualValues(t, 34, got["executions"])
	require.Equal(t, false, got["cutOff"])
	now, then := of(got, "acme")
	require.EqualValues(t, 10_000, now["waitP99Ms"], "twenty at a time")
	require.EqualValues(t, 20_000, then["waitP99Ms"], "ten at a time")
	now, then = of(got, "free")
	require.EqualValues(t, 10_000, now["waitP99Ms"], "two at a time")
	require.EqualValues(t, 30_000, then["waitP99Ms"], "one at a time")
	require.EqualValues(t, 30, simulate(object{"plans": []any{object{"plan": "PRO", "maxConcurrentWorkflows": 0}}})["then"].(object)["neverStarted"])
	all := simulate(object{"maxConcurrentWorkflows": 0, "most": 1})
	require.EqualValues(t, 34, all["then"].(object)["neverStarted"])
	require.NotContains(t, all["then"], "waitP50Ms")
	require.EqualValues(t, 1, all["workspacesLeftOff"])
	require.Empty(t, simulate(object{"since": "1m"})["workspaces"])
	other := simulate(object{"maxConcurrentWorkflows": 5, "fairness": "starts", "ageingStep": "1m", "batchSize": 1, "since": "2h"})
	require.Equal(t, "starts", other["then"].(object)["fairness"])
	require.InDelta(t, 70_000, other["then"].(object)["lastsMs"], 100, "34 of ten seconds on five slots, one start a cycle")

	for want, body := range map[string]object{
		"unknown-plan":      {"plans": []any{object{"plan": "GOLD", "weight": 2}}},
		"unknown-workspace": {"workspaces": []any{object{"workspace": uuid.NewString()}}},
		"invalid":           {"plans": []any{object{"plan": "PRO"}, object{"plan": "PRO"}}},
	} {
		status := map[string]int{"unknown-workspace": http.StatusNotFound}[want]
		if status == 0 {
			status = http.StatusUnprocessableEntity
		}
		b.send("", http.MethodPost, "/api/v1/simulate", body).problem(status, want)
	}
	for _, wrong := range []object{{"since": "0"}, {"since": "9999d"}, {"batchSize": 0}, {"maxConcurrentWorkflows": -1}, {"fairness": "luck"}, {"most": 0}, {"plans": []any{object{"plan": "PRO", "maxConcurrentWorkflows": nil}}}} {
		b.send("", http.MethodPost, "/api/v1/simulate", wrong).problem(http.StatusUnprocessableEntity, "invalid")
	}
}

func TestATokenOfAWorkspaceSeesOnlyItsOwnPartOfASimulation(t *testing.T) {
	t.Parallel()
	b := setup(t)
	f := b.newForeign()
	foreign := uuid.MustParse(f.workspace)
	hourAgo := time.Now().Add(-time.Hour).Truncate(time.Second)
	b.ran(b.workspace, 30, hourAgo)
	b.ran(foreign, 50, hourAgo.Add(-1000*time.Second)) // earlier, and for longer
	secret := b.token(admin.RoleWorkspace, b.workspace, false)
	at := "/api/v1/workspaces/" + b.workspace.String() + "/simulate"
	reply := b.send(secret, http.MethodPost, at, object{"maxConcurrentWorkflows": 10})
	got := reply.object(http.StatusOK)
	require.EqualValues(t, 30, got["executions"])
	now, then := got["now"].(object), got["then"].(object)
	require.EqualValues(t, 10_000, now["waitP99Ms"])
	require.EqualValues(t, 20_000, then["waitP99Ms"])
	require.EqualValues(t, 20_000, now["lastsMs"])
	require.EqualValues(t, 30_000, then["lastsMs"])
	require.InDelta(t, 30.0/40, now["utilisation"], 1e-9)
	require.InDelta(t, 1, then["utilisation"], 1e-9)
	require.Len(t, now["running"], 120)
	require.Len(t, then["waiting"], 120)
	require.EqualValues(t, 250, got["stepMs"])
	require.EqualValues(t, 10, then["running"].([]any)[0])
	require.EqualValues(t, 20, then["waiting"].([]any)[0])
	from, err := time.Parse(time.RFC3339, got["from"].(string))
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(-time.Hour), from, time.Minute, "its own first execution")
	for _, mark := range f.marks() {
		require.NotContains(t, string(reply.raw), mark)
	}
	// The answer is the same whatever has run elsewhere, as long as no limit is shared.
	b.exec(`DELETE FROM sluice.ended WHERE workspace_id = $1`, foreign)
	require.Equal(t, string(reply.raw), string(b.send(secret, http.MethodPost, at, object{"maxConcurrentWorkflows": 10}).raw))

	b.send(secret, http.MethodPost, "/api/v1/simulate", object{}).problem(http.StatusForbidden, "forbidden")
	b.send(secret, http.MethodPost, at, object{"cohort": "foreign-cohort"}).problem(http.StatusUnprocessableEntity, "invalid")
	b.send(secret, http.MethodPost, at, object{"batchSize": 1}).problem(http.StatusUnprocessableEntity, "invalid") // it is not the workspace's, and makes a simulation take minutes
	b.send(secret, http.MethodPost, at, object{"since": "7d"}).object(http.StatusOK)
	p := b.send(secret, http.MethodPost, at, object{"since": "169h"}).problem(http.StatusUnprocessableEntity, "invalid")
	require.Contains(t, p["detail"], "7d", "all workspaces pay for what it reads")
	b.send(b.token(admin.RoleOperatorRead, uuid.Nil, false), http.MethodPost, at, object{"since": "366d"}).object(http.StatusOK)
	b.send(secret, http.MethodPost, "/api/v1/workspaces/"+f.workspace+"/simulate", object{}).problem(http.StatusNotFound, "unknown-workspace")
	other := b.token(admin.RoleWorkspace, foreign, false)
	none := b.send(other, http.MethodPost, "/api/v1/workspaces/"+f.key+"/simulate", object{}).object(http.StatusOK)
	require.EqualValues(t, 0, none["executions"], "nothing of it is on record any more")
	require.NotContains(t, none, "from")
}

func TestOneSimulationRunsAtATimeForOperatorsAndOneForWorkspaces(t *testing.T) {
	t.Parallel()
	b := setup(t)
	operator, own := b.token(admin.RoleOperatorRead, uuid.Nil, false), b.token(admin.RoleWorkspace, b.workspace, false)
	of := map[string]string{operator: "/api/v1/simulate", own: "/api/v1/workspaces/" + b.workspace.String() + "/simulate"}
	// Those that are under way wait for the table of limits, which somebody else holds.
	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE sluice.tiers IN ACCESS EXCLUSIVE MODE`)
	require.NoError(t, err)
	waiting := func(n int) {
		t.Helper()
		require.Eventually(t, func() bool {
			var waits int
			err := tx.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sluice.tiers'::regclass`).Scan(&waits)
			return err == nil && waits == n
		}, time.Minute, 10*time.Millisecond)
	}
	begin := func(secret string) (gone func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, b.url+of[secret], strings.NewReader("{}"))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+secret)
			if response, err := http.DefaultClient.Do(r); err == nil {
				_ = response.Body.Close()
			}
		}()
		return func() { cancel(); <-ended }
	}
	workspaceGone := begin(own)
	waiting(1)
	b.send(own, http.MethodPost, of[own], object{}).problem(http.StatusTooManyRequests, "too-many")
	operatorGone := begin(operator)
	waiting(2) // a workspace's token keeps no operator out
	for _, path := range of {
		refused := b.send(operator, http.MethodPost, path, object{})
		refused.problem(http.StatusTooManyRequests, "too-many")
		require.Equal(t, "1", refused.header.Get("Retry-After"))
	}
	workspaceGone() // nobody waits for them: the next ones have their places
	operatorGone()
	require.NoError(t, tx.Rollback(t.Context()))
	for secret, path := range of {
		require.Eventually(t, func() bool { return b.send(secret, http.MethodPost, path, object{}).status == http.StatusOK }, time.Minute, 10*time.Millisecond)
	}
}
