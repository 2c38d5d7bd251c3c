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
	require.Empty(t, c.array("definition", "list", "--limit", "1", "--after", first["id"].(string)))
	require.Equal(t, exitUsage, c.run("definition", "list", "--limit", "0").code)
	require.Equal(t, exitUsage, c.run("definition", "list", "--after", uuid.NewString()).code)
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
	t.Run("relative times, where the clock of this machine is wrong", func(t *testing.T) {
		for _, ahead := range []time.Duration{-3 * time.Hour, 3 * time.Hour} {
			c := c
			c.ahead = ahead
			id := c.object(enqueue("--delay", "1h", "--expires-in", "2h")...)["queueId"].(string)
			item, err := q.Get(t.Context(), uuid.MustParse(id))
			require.NoError(t, err)
			require.WithinDuration(t, time.Now().Add(time.Hour), item.AvailableAt, time.Minute)
			require.WithinDuration(t, time.Now().Add(2*time.Hour), *item.ExpiresAt, time.Minute)
		}
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
	t.Run("a count that is cut off", func(t *testing.T) {
		workspace, definition := c.workspace()
		out := c.run("enqueue", "--workspace", workspace, "--definition", definition, "--count", "1000000", "--timeout", "3s", "--json")
		require.Equal(t, exitFailed, out.code)
		var answer struct {
			Error       string
			Count       int
			QueueIDs    []uuid.UUID
			DoubtfulIDs []uuid.UUID
		}
		require.NoError(t, json.Unmarshal([]byte(out.stderr), &answer), out.stderr)
		requireEnqueued(t, c, workspace, answer.QueueIDs)
		require.Len(t, answer.QueueIDs, answer.Count)
		require.Empty(t, answer.DoubtfulIDs, "the database answers")

		workspace, definition = c.workspace()
		out = c.run("enqueue", "--workspace", workspace, "--definition", definition, "--count", "1000000", "--timeout", "3s")
		require.Equal(t, exitFailed, out.code)
		var ids []uuid.UUID
		for _, line := range strings.Fields(out.stdout) {
			ids = append(ids, uuid.MustParse(line))
		}
		requireEnqueued(t, c, workspace, ids)
	})
	t.Run("a key whose item has ended", func(t *testing.T) {
		workspace, definition := c.workspace()
		again := []string{"enqueue", "--workspace", workspace, "--definition", definition, "--unique-key", "k"}
		first := c.object(again...)["queueId"].(string)
		out := c.run("release-key", "k", "--workspace", workspace)
		require.Equal(t, exitUsage, out.code)
		require.Contains(t, out.stderr, first+", which is QUEUED")
		c.ok("cancel", first)
		require.Contains(t, c.ok(again...), "It has ended as CANCELLED and still holds the key: nothing was enqueued.")
		require.Contains(t, c.ok("release-key", "k", "--workspace", workspace), "item "+first+", which is CANCELLED.\nThe unique key is free")
		require.NotEqual(t, first, c.object(again...)["queueId"])
		require.Nil(t, c.object("release-key", "nobody's", "--workspace", workspace)["queueId"])
	})
	t.Run("for people", func(t *testing.T) {
		requireGolden(t, "enqueue", masked(c.ok(enqueue()...)))
	})
	t.Run("actor", func(t *testing.T) {
		id := c.object(enqueue("--actor", "nightly")...)["queueId"].(string)
		require.Equal(t, "nightly", c.object("describe", id)["activity"].([]any)[0].(map[string]any)["actor"])
	})
}

// requireEnqueued says that these are the items of a workspace, no more and no fewer.
func requireEnqueued(t *testing.T, c cli, workspace string, ids []uuid.UUID) {
	t.Helper()
	var all, named int
	require.NoError(t, c.pool().QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE id = ANY ($2::text[]::uuid[])) FROM sluice.pending WHERE workspace_id = $1`,
		workspace, texts(ids)).Scan(&all, &named))
	require.Equal(t, all, named)
	require.Equal(t, len(ids), named)
}

func texts(ids []uuid.UUID) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return list
}

// A tenant's names cannot clear or colour an operator's screen, forge rows, or make them as wide as they like; with --json they are
// as they were written.
func TestWhatTenantsWriteDoesNoHarmToATerminal(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	for _, name := range []string{"x\x1b[31mred\n newline", "\u202egnp", strings.Repeat("n", 20_000), "a\u200bb"} {
		out := c.run("workspace", "create", name)
		require.Equal(t, exitUsage, out.code)
		require.NotRegexp(t, `[\x1b\x{202e}\x{200b}]`, out.stderr)
	}
	workspace, definition := c.workspace()
	evil := "\x1b[2J\u202e\t\r\n" + strings.Repeat("k", 400)
	first := c.object("enqueue", "--workspace", workspace, "--definition", definition, "--unique-key", evil, "--input", `{"a": "\u001b[2J\u202e"}`)["queueId"].(string)
	_, err := c.pool().Exec(t.Context(), `ALTER TABLE sluice.workspaces DROP CONSTRAINT workspaces_named`)
	require.NoError(t, err)
	_, err = c.pool().Exec(t.Context(), `UPDATE sluice.workspaces SET name = $1`, evil)
	require.NoError(t, err)
	_, err = c.pool().Exec(t.Context(), `UPDATE sluice.pending SET last_error = $1`, "start-failed: "+evil)
	require.NoError(t, err)
	for _, command := range [][]string{{"status"}, {"workspace", "list"}, {"list"}, {"describe", first}, {"definition", "list"}, {"audit", "--grace", "1ms"}} {
		out := c.run(command...)
		require.NotEmpty(t, out.stdout)
		require.NotRegexp(t, `[\x00-\x09\x0b-\x1f\x{202e}]`, out.stdout+out.stderr, "%v", command)
		for line := range strings.Lines(out.stdout) {
			require.Less(t, len(line), 1500, "%v", command)
		}
	}
	require.Equal(t, evil, c.object("describe", first)["uniqueKey"])
	require.Contains(t, c.run("cancel", first, "--reason", strings.Repeat("x", 1001)).stderr, "--reason must have at most 1000 characters")
	require.Contains(t, c.run("cancel", first, "--actor", "a\x1bb").stderr, "--actor must not contain U+001B")
}

func TestDefinitionsHaveBounds(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, _ := c.workspace()
	bomb := `[` + strings.Repeat("1e131071,", 40) + `1]`
	for file, why := range map[string]string{
		`{"name": "` + strings.Repeat("L", 2100) + `", "nodes": [{"name": "a", "type": "noop"}]}`:                                                 "name must have at most 200 characters, not 2100",
		`{"name": "   ", "nodes": [{"name": "a", "type": "noop"}]}`:                                                                               "name must not be empty or blank",
		`{"name": "\u202egnp\n\u001b[2J", "nodes": [{"name": "a", "type": "noop"}]}`:                                                              "name must not contain U+202E",
		`{"name": "x", "nodes": [{"name": "` + strings.Repeat("n", 201) + `", "type": "noop"}]}`:                                                  "name of node 1 must have at most 200",
		`{"name": "x", "nodes": [{"name": "a", "type": "workflow", "config": {"workflowType": "a\nb"}}]}`:                                         "must not hold control characters",
		`{"name": "x", "nodes": [{"name": "a", "type": "http", "config": {"url": "https://a.example", "method": "POST", "body": ` + bomb + `}}]}`: "bytes, at most 524288",
	} {
		in := c
		in.stdin = file
		out := in.run("definition", "apply", "-", "--workspace", workspace)
		require.Equal(t, exitUsage, out.code, why)
		require.Contains(t, out.stderr, why)
		require.NotRegexp(t, `[\x1b\x{202e}]`, out.stderr)
	}
}

func TestWhoseEnqueueIsInDoubtIsToldSo(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	workspace, definition := c.workspace()
	c.exec(`CREATE FUNCTION public.end_session() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		PERFORM pg_terminate_backend(pg_backend_pid());
		RETURN NULL;
	END $$`)
	c.exec(`CREATE TRIGGER end_session AFTER INSERT ON sluice.pending FOR EACH STATEMENT EXECUTE FUNCTION public.end_session()`)
	for name, what := range map[string][]string{"a definition": {"--definition", definition}, "a workflow": {"--type", "Ship"}} {
		args := append([]string{"enqueue", "--workspace", workspace}, what...)
		out := c.run(args...)
		require.Equal(t, exitFailed, out.code, name)
		require.Contains(t, out.stderr, "the item may be enqueued", name)
		out = c.run(append(args, "--unique-key", "one "+name)...)
		require.Equal(t, exitFailed, out.code, name)
		require.NotContains(t, out.stderr, "may be enqueued", name)
	}
	out := c.run("enqueue", "--workspace", uuid.NewString(), "--definition", definition)
	require.Equal(t, exitUsage, out.code)
	require.NotContains(t, out.stderr, "may be enqueued")
}

func TestGrantEnqueue(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	role := "Shop " + uuid.NewString()[:8]
	_, err := c.pool().Exec(t.Context(), `CREATE ROLE "`+role+`"`)
	require.NoError(t, err)
	require.Contains(t, c.ok("grant", "enqueue", role), `GRANT USAGE ON SCHEMA sluice TO "`+role+`";`)
	var may bool
	require.NoError(t, c.pool().QueryRow(t.Context(), `SELECT has_function_privilege($1::name, 'sluice.enqueue'::regproc::oid, 'EXECUTE')`, role).Scan(&may))
	require.True(t, may)
	out := c.run("grant", "enqueue", "nobody; DROP TABLE sluice.pending")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "there is no role")
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
