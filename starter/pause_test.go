package main

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/operate/operatetest"
)

func TestPauseOfAScopeIsShownAndEndsWithResume(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // Temporal is down, and not needed
	workspace, definition := c.workspace()
	id := c.object("enqueue", "--workspace", workspace, "--definition", definition)["queueId"].(string)
	require.Contains(t, c.ok("pause", "--workspace", workspace, "--reason", "unpaid"), "paused\n\nPAUSED")
	require.Contains(t, c.ok("pause", "--workspace", workspace, "--reason", "unpaid"), "it was paused so before\n")
	require.Contains(t, c.ok("pause", "--definition", definition, "--for", "2h"), "definition greet ("+definition+") of workspace acme")
	require.Contains(t, c.ok("pause", "--type", "SendInvoice", "--until", time.Now().AddDate(1, 0, 0).Format(time.RFC3339)), "type SendInvoice ")

	require.Equal(t, "paused", c.array("list")[0]["reason"])
	require.Equal(t, "paused", c.array("workspace", "list")[0]["reason"])
	described := c.object("describe", id)
	require.Equal(t, "paused", described["reason"])
	require.Equal(t, "unpaid", described["pause"].(map[string]any)["reason"], "the one that holds longest")
	require.Regexp(t, `starter:ann (now|\d+s ago) \(unpaid\)`, c.ok("describe", id))
	status := c.run("status", "--json")
	require.Contains(t, status.stdout, `"workflowType": "SendInvoice"`)
	require.Contains(t, c.run("status").stdout, "type SendInvoice")

	resumed := c.object("resume", "--workspace", workspace, "--reason", "paid")
	require.Equal(t, true, resumed["changed"])
	require.Len(t, resumed["paused"], 2)
	require.Contains(t, c.ok("resume", "--workspace", workspace), "it was not paused\n")
	require.Contains(t, c.ok("describe", id), "ends in ", "its definition is paused still")
	c.ok("resume", "--definition", definition)
	require.Nil(t, c.object("describe", id)["reason"])
	require.Equal(t, []string{"paused starter:ann unpaid", "paused starter:ann", "resumed starter:ann paid", "resumed starter:ann"},
		c.texts(`SELECT concat_ws(' ', action, actor, details ->> 'reason') FROM sluice.activity WHERE workspace_id = $1 AND action IN ('paused', 'resumed') ORDER BY at`, uuid.MustParse(workspace)))
}

func TestPauseListTellsByWhomWhyAndUntilWhen(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	require.Equal(t, "nothing is paused\n", c.ok("pause", "list"))
	require.Empty(t, c.object("pause", "list")["paused"])
	workspace, _ := c.workspace()
	c.ok("pause", "--workspace", workspace, "--for", "2h", "--reason", "unpaid")
	c.ok("pause", "--reason", "deploy")
	require.Regexp(t, `^PAUSED +BY +SINCE +ENDS +REASON\nthe dispatchers themselves +starter:ann +(now|\d+s ago) +until resumed +deploy\nworkspace acme \(`+workspace+`\) +starter:ann +(now|\d+s ago) +in (2h|1h59m) +unpaid\n$`, c.ok("pause", "list"))
	listed := c.object("pause", "list")
	require.Equal(t, "unpaid", listed["paused"].([]any)[0].(map[string]any)["reason"])
	require.Equal(t, "deploy", listed["dispatcher"].(map[string]any)["reason"])
	require.Equal(t, exitUsage, c.run("pause", "lst").code, "a command that is not there pauses nothing")
}

func TestPauseOfAllForATimeNeedsNoDispatcher(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	require.Contains(t, c.ok("pause", "--for", "2h", "--reason", "maintenance"), "everything  starter:ann  now    in 2h ")
	listed := c.run("pause", "list")
	require.Contains(t, listed.stdout, "maintenance")
	require.Contains(t, listed.stderr, "note: whether the dispatchers themselves are paused is not known")
	out := c.run("resume")
	require.Zero(t, out.code, out.stderr)
	require.Equal(t, "nothing is paused in the database; of the dispatchers themselves it is not known\n", c.ok("pause", "list"))
	require.NotEmpty(t, c.object("pause", "list")["dispatcherUnknown"])
	require.Contains(t, out.stderr, "note: whether the dispatchers themselves are paused is not known")
	require.Equal(t, exitUnreachable, c.run("resume").code)
}

func TestResumeEndsBothPausesOfAll(t *testing.T) {
	t.Parallel()
	c := onBoth(t)
	operatetest.Worker(t, c.temporal())
	c.ok("start")
	c.ok("pause", "--for", "2h")
	require.Equal(t, "resumed\n", c.ok("resume"))
	c.ok("pause", "--for", "2h")
	c.ok("pause")
	require.Equal(t, "dispatcher resumed\n", c.ok("resume"))
	require.Equal(t, exitUsage, c.run("resume").code)
	require.Empty(t, c.object("status")["pauses"])
}

func TestPauseRefusesWhatThereIsNot(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	_, definition := c.workspace()
	other := c.object("workspace", "create", "globex")["id"].(string)
	for want, args := range map[string][]string{
		"unknown workflow definition":           {"--definition", uuid.NewString()},
		"unknown workspace":                     {"--workspace", uuid.NewString()},
		"does not belong to workspace":          {"--definition", definition, "--workspace", other},
		"lies in the past":                      {"--until", "2020-01-01T00:00:00Z"},
		"--until must be a time like":           {"--until", "tomorrow"},
		"--for must be more than 0":             {"--for", "0s"},
		"at most ten years, got":                {"--for", "9000d"},
		"--type must not be empty":              {"--type", ""},
		"none of the others can be":             {"--type", "x", "--definition", definition},
		"if any flags in the group [for until]": {"--for", "2h", "--until", "2099-01-01T00:00:00Z"},
	} {
		out := c.run(append([]string{"pause"}, args...)...)
		require.Equal(t, exitUsage, out.code, want)
		require.Contains(t, out.stderr, want)
	}
	require.Empty(t, c.texts(`SELECT id::text FROM sluice.pauses`))
}

func TestAWorkspaceCanBeDrainedAndDeleted(t *testing.T) {
	t.Parallel()
	c := onPostgres(t) // nothing runs, so Temporal is not needed
	workspace, definition := c.workspace()
	c.ok("enqueue", "--workspace", workspace, "--definition", definition)
	require.Equal(t, exitUsage, c.run("workspace", "delete", workspace, "--drain", "--grace", "1s", "--yes").code)
	require.Contains(t, c.ok("workspace", "delete", workspace, "--drain", "--yes"), "deleted, with 1 items that waited, 0 that ran")
	require.Equal(t, exitUsage, c.run("workspace", "delete", workspace, "--drain", "--yes").code)
	require.Empty(t, c.texts(`SELECT id::text FROM sluice.pauses`))
}
