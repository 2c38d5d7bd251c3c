package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/store/facts"
	"sluice/queue"
	"sluice/schema"
)

// Everything in this file works while Temporal is down.

func TestMigrate(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.env["DATABASE_URL"] = devtest.Postgres(t)
	out := c.run("workspace", "list")
	require.Equal(t, exitFailed, out.code)
	require.Contains(t, out.stderr, "run: starter migrate")

	require.Contains(t, c.ok("migrate"), fmt.Sprintf("schema sluice is now at version %d (", schema.Version()))
	require.Contains(t, c.ok("migrate"), fmt.Sprintf("up to date at version %d", schema.Version()))
	require.Empty(t, c.object("migrate")["applied"])
	require.Empty(t, c.array("workspace", "list"))
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	created := c.object("workspace", "create", "acme", "--plan", "PRO")
	id := created["id"].(string)
	require.Equal(t, "PRO", created["plan"])
	c.ok("workspace", "create", "beta")

	list := c.array("workspace", "list")
	require.Len(t, list, 2)
	require.Equal(t, id, list[0]["id"])
	require.EqualValues(t, 20, list[0]["limit"])
	require.Equal(t, "FREE", list[1]["plan"])

	require.Equal(t, "workspace acme is now on plan ENTERPRISE\n", c.ok("workspace", "set-plan", id, "enterprise"))
	requireGolden(t, "workspace_list", masked(c.ok("workspace", "list")))
}

func TestTiers(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	require.Equal(t, "plan PRO: max concurrent 50, weight 4\n", c.ok("tier", "set", "PRO", "--max-concurrent", "50"))
	require.Equal(t, "plan PRO: max concurrent 50, weight 7\n", c.ok("tier", "set", "pro", "--weight", "7"))
	require.EqualValues(t, 3, c.object("tier", "set", "TRIAL", "--max-concurrent", "3")["maxConcurrentWorkflows"])
	requireGolden(t, "tier_list", c.ok("tier", "list"))
	require.Len(t, c.array("tier", "list"), 5)
}

func TestDefinitions(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace := c.object("workspace", "create", "acme")["id"].(string)
	file := filepath.Join(t.TempDir(), "greet.json")
	require.NoError(t, os.WriteFile(file, []byte(exampleDefinition), 0o600))
	first := c.object("definition", "apply", file, "--workspace", workspace)
	require.EqualValues(t, 1, first["version"])
	require.Equal(t, first["id"], c.object("definition", "apply", file, "--workspace", workspace)["id"])

	c.stdin = strings.Replace(exampleDefinition, `"second"`, `"2nd"`, 1)
	require.Equal(t, "definition greet is at version 2: "+first["id"].(string)+" (2 nodes)\n",
		c.ok("definition", "apply", "-", "--workspace", workspace))

	require.Len(t, c.array("definition", "list"), 1)
	require.Len(t, c.array("definition", "list", "--workspace", workspace), 1)
	require.Empty(t, c.array("definition", "list", "--workspace", uuid.NewString()))
}

func TestEnqueue(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	enqueue := func(args ...string) []string {
		return append([]string{"enqueue", "--workspace", workspace, "--definition", definition}, args...)
	}
	answer := c.object(enqueue("--input", `{"order": 7}`)...)
	require.Equal(t, "QUEUED", answer["status"])
	require.Equal(t, "Workflow execution queued. Will start when capacity is available.", answer["message"])
	require.Len(t, answer, 3)
	q := queue.New(c.pool())
	item, err := q.Get(t.Context(), uuid.MustParse(answer["queueId"].(string)))
	require.NoError(t, err)
	require.JSONEq(t, `{"order": 7}`, string(item.Input))
	activity, err := facts.ItemActivity[facts.Activity](t.Context(), c.pool(), item.ID)
	require.NoError(t, err)
	require.Equal(t, "starter:ann", activity[0].Actor)

	t.Run("input from a file and from stdin", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "input.json")
		require.NoError(t, os.WriteFile(file, []byte(`{"from": "file"}`), 0o600))
		id := c.object(enqueue("--input", "@"+file)...)["queueId"].(string)
		require.Equal(t, map[string]any{"from": "file"}, c.object("describe", id)["input"])
		c := c
		c.stdin = `{"from": "stdin"}`
		id = c.object(enqueue("--input", "-")...)["queueId"].(string)
		require.Equal(t, map[string]any{"from": "stdin"}, c.object("describe", id)["input"])
	})
	t.Run("times and priority", func(t *testing.T) {
		id := c.object(enqueue("--delay", "1h", "--expires-in", "2h", "--priority", "1")...)["queueId"].(string)
		item, err := q.Get(t.Context(), uuid.MustParse(id))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(time.Hour), item.AvailableAt, time.Minute)
		require.WithinDuration(t, time.Now().Add(2*time.Hour), *item.ExpiresAt, time.Minute)
		require.Equal(t, 1, item.Priority)
		at, until := time.Now().Add(3*time.Hour).Truncate(time.Second), time.Now().Add(4*time.Hour).Truncate(time.Second)
		id = c.object(enqueue("--available-at", at.Format(time.RFC3339), "--expires-at", until.Format(time.RFC3339))...)["queueId"].(string)
		item, err = q.Get(t.Context(), uuid.MustParse(id))
		require.NoError(t, err)
		require.True(t, at.Equal(item.AvailableAt))
		require.True(t, until.Equal(*item.ExpiresAt))
	})
	t.Run("unique key", func(t *testing.T) {
		first := c.object(enqueue("--unique-key", "k")...)
		again := c.object(enqueue("--unique-key", "k")...)
		require.Equal(t, first["queueId"], again["queueId"])
		require.Contains(t, again["message"], "Already enqueued")
		require.Equal(t, "QUEUED", again["status"])
		c.ok("cancel", first["queueId"].(string))
		again = c.object(enqueue("--unique-key", "k")...)
		require.Equal(t, first["queueId"], again["queueId"], "its key is held as long as it is retained")
		require.Equal(t, "CANCELLED", again["status"])
		require.Contains(t, c.ok(enqueue("--unique-key", "k")...), "CANCELLED "+first["queueId"].(string)+"\nAlready enqueued")
	})
	t.Run("unique for a time", func(t *testing.T) {
		for keep, held := range map[string]bool{"0": false, "0d": false, "1d": true, "90m": true} {
			key := []string{"--unique-key", "for " + keep, "--unique-for", keep}
			first := c.object(enqueue(key...)...)["queueId"].(string)
			require.Equal(t, first, c.object(enqueue(key...)...)["queueId"], "while it waits, in any case")
			c.ok("cancel", first)
			again := c.object(enqueue(key...)...)
			require.Equal(t, held, again["queueId"] == first, keep)
		}
	})
	t.Run("count", func(t *testing.T) {
		workspace, definition := c.workspace()
		answer := c.object("enqueue", "--workspace", workspace, "--definition", definition, "--count", "2500")
		require.Len(t, answer["queueIds"], 2500)
		require.Equal(t, answer["queueIds"].([]any)[0], answer["queueId"])
		usage, err := facts.Workspaces(t.Context(), c.pool(), uuid.MustParse(workspace))
		require.NoError(t, err)
		require.Equal(t, 2500, usage[0].Pending)
		require.Contains(t, c.ok(enqueue("--count", "2")...), "2 items queued, the first is ")
	})
	t.Run("for people", func(t *testing.T) {
		requireGolden(t, "enqueue", masked(c.ok(enqueue()...)))
	})
	t.Run("actor", func(t *testing.T) {
		id := c.object(enqueue("--actor", "nightly")...)["queueId"].(string)
		require.Equal(t, "nightly", c.object("describe", id)["activity"].([]any)[0].(map[string]any)["actor"])
	})
}

func TestListAndDescribe(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	args := []string{"enqueue", "--workspace", workspace, "--definition", definition}
	older := c.object(args...)["queueId"].(string)
	newer := c.object(append(args, "--priority", "1")...)["queueId"].(string)

	list := c.array("list")
	require.Len(t, list, 2)
	require.Equal(t, newer, list[0]["id"])
	require.Len(t, c.array("list", "--limit", "1"), 1)
	require.Len(t, c.array("list", "--workspace", workspace, "--status", "pending"), 2)
	require.Empty(t, c.array("list", "--status", "RUNNING"))
	require.Empty(t, c.array("list", "--workspace", uuid.NewString()))
	requireGolden(t, "list", masked(c.ok("list")))

	described := c.object("describe", older)
	require.Equal(t, "PENDING", described["status"])
	require.Len(t, described["activity"], 1)
	requireGolden(t, "describe", masked(c.ok("describe", older)))
	require.Equal(t, "PENDING", c.object("describe", "execution-"+older)["status"], "the workflow id names the item too")
}

func TestErrorsAsJSON(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	for _, args := range [][]string{
		{"describe", uuid.NewString(), "--json"},
		{"list", "--limit", "zero", "--json"},
		{"nonsense", "--json"},
		{"--json", "start"}, // Temporal is down
	} {
		out := c.run(args...)
		require.NotZero(t, out.code)
		require.Empty(t, out.stdout)
		var value map[string]string
		require.NoError(t, json.Unmarshal([]byte(out.stderr), &value), out.stderr)
		require.Len(t, value, 1)
		require.NotEmpty(t, value["error"])
	}
}
