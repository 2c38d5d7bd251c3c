package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
	"sluice/internal/overview"
	"sluice/internal/store/facts"
	"sluice/queue"
)

func TestWaitText(t *testing.T) {
	t.Parallel()
	reason := "behind-priority"
	for want, d := range map[string]overview.Item{
		"":                                       {State: queue.State{Status: "FAILED", Reason: &reason}},
		"behind-priority":                        {State: queue.State{Status: "PENDING", Reason: &reason}},
		"behind-priority, 12th of its workspace": {State: queue.State{Status: "PENDING", Reason: &reason}, Place: 12},
		"behind-priority, >1000 in the line of its workspace": {
			State: queue.State{Status: "PENDING", Reason: &reason}, Place: 1000, More: true},
		"1st of its workspace": {State: queue.State{Status: "PENDING"}, Place: 1},
	} {
		require.Equal(t, want, waitText(d))
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 4: "4th", 11: "11th", 12: "12th", 13: "13th", 21: "21st", 102: "102nd", 111: "111th", 113: "113th"} {
		require.Equal(t, want, ordinal(n))
	}
}

func TestWhyItemsWait(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	args := []string{"enqueue", "--workspace", workspace, "--definition", definition}
	c.ok(append(args, "--count", "25")...)
	last := c.object(args...)["queueId"].(string)
	later := c.object(append(args, "--delay", "1h")...)["queueId"].(string)

	described := c.object("describe", last)
	require.Equal(t, "behind-priority", described["reason"])
	require.EqualValues(t, 26, described["place"])
	require.Contains(t, c.ok("describe", last), "behind-priority, 26th of its workspace")
	described = c.object("describe", later)
	require.Equal(t, "scheduled", described["reason"])
	require.NotContains(t, described, "place")

	reasons := map[any]int{}
	for _, item := range c.array("list", "--status", "PENDING") {
		reasons[item["reason"]]++
	}
	require.Equal(t, map[any]int{nil: 20, "behind-priority": 6, "scheduled": 1}, reasons, "20 slots are free")
	c.ok("workspace", "set", workspace, "--max-concurrent", "0")
	require.Equal(t, "at-capacity", c.object("describe", last)["reason"])
	require.Contains(t, c.ok("list", "--status", "PENDING", "--limit", "2"), ", at-capacity")
}

func TestItemsOfAPausedDispatcherWaitForIt(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	id := c.enqueue()
	require.NotContains(t, c.object("describe", id), "reason")
	c.ok("pause", "--reason", "lunch")
	reason := func() any { return c.object("describe", id)["reason"] }
	require.Eventually(t, func() bool { return fmt.Sprint(reason()) == "paused" }, time.Minute, 50*time.Millisecond,
		"a busy dispatcher may not answer at once")
	require.Equal(t, 1, len(c.array("list")))
	c.ok("workspace", "set", c.object("describe", id)["workspaceId"].(string), "--max-concurrent", "0")
	require.Equal(t, "at-capacity", reason(), "which it could not start anyway")
}

func TestTypesThatNobodyHostsAreNamed(t *testing.T) {
	t.Parallel()
	var status, item strings.Builder
	renderStatus(&status, overview.Status{
		Workspaces:   []facts.WorkspaceUsage{{ID: fixedID(1), Name: "acme\n"}},
		MissingTypes: []facts.MissingType{{WorkspaceID: fixedID(1), WorkflowType: "Ship", Executions: 2}, {WorkspaceID: fixedID(2), WorkflowType: "Pay", Executions: 1}},
	}, time.Now())
	require.Contains(t, status.String(), "no worker hosts workflow type \"Ship\", which 2 executions need of acme\n")
	require.Contains(t, status.String(), "no worker hosts workflow type \"Pay\", which 1 execution needs of "+fixedID(2).String()+"\n")
	renderItem(&item, overview.Item{MissingTypes: []string{"Pay", "Ship"}}, nil, time.Now())
	require.Contains(t, item.String(), `no worker hosts workflow type "Pay"; no worker hosts workflow type "Ship"`)
}
