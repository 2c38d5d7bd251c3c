package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/admin"
	"sluice/internal/audit"
	"sluice/internal/overview"
	"sluice/internal/store/estimates"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/workflows"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func fixedID(n byte) uuid.UUID {
	return uuid.UUID{0x01, 0x99, 6: 0x70, 8: 0x80, 15: n}
}

func before(d time.Duration) *time.Time {
	at := noon.Add(-d)
	return &at
}

func ptr[T any](v T) *T { return &v }

func TestRenderStatus(t *testing.T) {
	t.Parallel()
	workspaces := []facts.WorkspaceUsage{
		{ID: fixedID(1), Name: "acme", Plan: "PRO", Pending: 1200, Running: 20, Limit: 20, Done: 5031, LongestMS: 200_000, Reason: ptr("at-capacity"), NotSuccess: 3},
		{ID: fixedID(2), Name: "empty", Plan: "FREE", Limit: 2},
		{ID: fixedID(3), Name: "odd\tname\n", Plan: "FREE", Pending: 1, Limit: 2, Reason: ptr("scheduled"), Refused: 4},
	}
	sharded := slices.Clone(workspaces)
	sharded[1].Shard = 1
	dispatching := overview.ShardStatus{WebURL: "http://localhost:8233/namespaces/default/workflows/sluice-dispatcher", Dispatcher: &workflows.Status{
		Phase: workflows.PhaseDispatching, Run: 3, Cycle: 812, Tunables: workflows.Tunables{}.WithDefaults(), LastWork: before(2 * time.Second),
		Totals:  workflows.Totals{Claimed: 6301, Started: 6290, Requeued: 6, Failed: 1, Expired: 4},
		Waiting: map[string]int{"scheduled": 1, "at-capacity": 12},
	}}
	const notRunning = "the dispatcher is not running; start it with: starter start"
	for name, r := range map[string]overview.Status{
		"status_dispatching": {Workspaces: workspaces, ShardStatus: dispatching},
		"status_paused": {Workspaces: workspaces, ShardStatus: overview.ShardStatus{Dispatcher: &workflows.Status{
			Phase: workflows.PhasePaused, Run: 1, Cycle: 9, Tunables: workflows.Tunables{}.WithDefaults(),
			Pause:     &workflows.Pause{Actor: "starter:ann", Reason: "maintenance", Since: *before(5 * time.Minute)},
			LastError: "claim executions: connection\nrefused", LastErrorAt: before(90 * time.Minute),
		}}},
		"status_recovery_failing": {Workspaces: workspaces, ShardStatus: dispatching, Recovery: &facts.Failing{Since: *before(3 * time.Minute), Error: "list workflows: visibility\nis away"}},
		"status_not_running":      {ShardStatus: overview.ShardStatus{DispatcherError: notRunning}},
		"status_shards": {Workspaces: sharded, ShardStatus: dispatching, Others: []overview.ShardStatus{
			{Shard: 1, DispatcherError: notRunning},
			{Shard: 2, Surplus: true, Dispatcher: &workflows.Status{Phase: workflows.PhaseStopping, Shard: 2, Run: 1, Cycle: 9, Tunables: workflows.Tunables{}.WithDefaults()}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			renderStatus(&text, r, noon)
			requireGolden(t, name, text.String())
		})
	}
}

// acme is the workspace of someItems.
var acme = workspaceNames{fixedID(1): {"Acme Inc.", "acme"}}

func someItems() []queue.State {
	base := queue.State{WorkspaceID: fixedID(1), WorkflowDefinitionID: new(fixedID(2)), WorkflowID: "execution-" + fixedID(14).String(), Priority: 3, CreatedAt: *before(time.Hour), AvailableAt: *before(time.Hour)}
	waiting, scheduled, running, done, failed, refused := base, base, base, base, base, base
	waiting.ID, waiting.Status, waiting.Priority, waiting.Reason = fixedID(10), "PENDING", 1, ptr("at-capacity")
	scheduled.ID, scheduled.Status, scheduled.AvailableAt = fixedID(11), "PENDING", *before(-3 * time.Hour)
	running.ID, running.Status, running.ExecutionStatus, running.DispatchedAt = fixedID(12), "DISPATCHED", ptr("RUNNING"), before(10*time.Second)
	done.ID, done.Status, done.ExecutionStatus, done.DispatchedAt, done.CompletedAt = fixedID(13), "DISPATCHED", ptr("COMPLETED"), before(time.Minute), before(58750*time.Millisecond)
	failed.ID, failed.Status, failed.ExecutionStatus, failed.DispatchedAt, failed.CompletedAt = fixedID(14), "DISPATCHED", ptr("FAILED"), before(time.Minute), before(0)
	failed.ExecutionError = json.RawMessage(`{"message": "POST https://example.com/: 404 Not Found, and then a text that goes on and on", "nodeName": "charge"}`)
	refused.ID, refused.Status, refused.Error = fixedID(15), "FAILED", ptr("start-failed: no such namespace")
	return []queue.State{waiting, scheduled, running, done, failed, refused}
}

func TestRenderLists(t *testing.T) {
	t.Parallel()
	for name, render := range map[string]func(w *strings.Builder){
		"items": func(w *strings.Builder) { renderItems(w, listedItems(), acme, noon) },
		"items_without_key": func(w *strings.Builder) {
			renderItems(w, listedItems()[:1], workspaceNames{fixedID(1): {name: "A name that is longer than what has room here"}}, noon)
		},
		"unserved": func(w *strings.Builder) {
			renderUnserved(w, []facts.UnservedExecution{
				{ID: fixedID(10), WorkspaceID: fixedID(1), Since: *before(time.Minute), What: "no worker has taken its workflow task"},
				{ID: fixedID(11), WorkspaceID: fixedID(2), Since: *before(time.Minute), What: "its workspace is deleted"},
			}, acme, noon)
		},
		"items_none": func(w *strings.Builder) { renderItems(w, nil, nil, noon) },
		"tiers": func(w *strings.Builder) {
			renderTiers(w, []admin.Tier{{Plan: "FREE", MaxConcurrentWorkflows: 2, Weight: 1}})
		},
		"workspaces_none": func(w *strings.Builder) { renderWorkspaces(w, nil, overview.EndedWindow) },
		"definitions": func(w *strings.Builder) {
			renderDefinitions(w, []admin.Definition{{ID: fixedID(2), WorkspaceID: fixedID(1), Name: "greet", Version: 4, Nodes: 7, UpdatedAt: *before(72 * time.Hour)}}, noon)
		},
		"definitions_none": func(w *strings.Builder) { renderDefinitions(w, nil, noon) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var text strings.Builder
			render(&text)
			requireGolden(t, name, text.String())
		})
	}
}

func TestRenderItem(t *testing.T) {
	t.Parallel()
	item := someItems()[4]
	item.WorkflowID = workflows.ExecutionID(item.ID)
	item.ExecutionID, item.EngineRunID, item.AttemptCount, item.UniqueKey = &item.ID, ptr("run-1"), 2, ptr("order-7")
	item.ExpiresAt, item.Input = before(-time.Hour), json.RawMessage(`{"order": 7}`)
	var text strings.Builder
	renderItem(&text, overview.Item{State: item, WebURL: "http://localhost:8233/namespaces/default/workflows/execution-1", Activity: []facts.Activity{
		{At: *before(time.Hour), Actor: "starter:ann", Action: "enqueued", Details: json.RawMessage(`{}`)},
		{At: *before(time.Minute), Actor: "dispatcher", Action: "dispatched", Details: json.RawMessage(`{"runId": "run-1"}`)},
		{At: noon, Actor: "starter:bob", Action: "cancel-requested", Reason: ptr("wrong order")},
	}}, acme, noon)
	requireGolden(t, "item", text.String())
}

func TestTimesForPeople(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0s": 0, "850ms": 850 * time.Millisecond, "12s": 12*time.Second + time.Millisecond, "3m": 3 * time.Minute, "10m": 10 * time.Minute,
		"3m20s": 200 * time.Second, "5h10m": 5*time.Hour + 10*time.Minute, "20h": 20 * time.Hour, "4d": 100 * time.Hour,
	} {
		require.Equal(t, want, span(d))
	}
	require.Equal(t, "now", relative(before(999*time.Millisecond), noon))
	require.Equal(t, "3s ago", relative(before(3*time.Second), noon))
	require.Equal(t, "in 2m", relative(before(-2*time.Minute), noon))
	require.Empty(t, relative(nil, noon))
}

func TestRenderAudit(t *testing.T) {
	t.Parallel()
	healthy, broken := audit.NewReport(noon), audit.NewReport(noon)
	healthy.Of(audit.Place).Checked = 5031
	broken.Of(audit.Place).Unchecked = []string{"what Temporal knows: no route to host"}
	broken.Of(audit.Slot).AddCounted(23, []audit.Breach{{ID: fixedID(10), What: "it holds a slot, but its workflow is closed"}, {ID: fixedID(11), What: "x"}})
	broken.Of(audit.Owner).Add(audit.Breach{ID: fixedID(12), What: "y"})
	broken.Of(audit.Progress).Notes = []string{"the dispatcher is not running"}
	for name, report := range map[string]*audit.Report{"audit_healthy": healthy, "audit_broken": broken} {
		var text strings.Builder
		renderAudit(&text, report)
		requireGolden(t, name, text.String())
	}
}

func listedItems() (listed []listedItem) {
	after, before := noon.Add(90*time.Second), noon.Add(4*time.Minute)
	for _, item := range someItems() {
		l := listedItem{State: item}
		if item.Status == "PENDING" {
			l.EstimatedStart = &estimates.Start{After: &after, Before: &before}
		}
		listed = append(listed, l)
	}
	return listed
}
