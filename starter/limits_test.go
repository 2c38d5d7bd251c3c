package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	const own = "auto-create plan     none: workspaces are created beforehand\ntask queue template  workflow.workspace.{workspace}\n"
	require.Equal(t, "max concurrent       not bounded\nageing step          5m0s\nretention            30 days\n"+own, c.ok("limits", "show"))
	require.Equal(t, "max concurrent       200\nageing step          1m0s\nretention            30 days\n"+own, c.ok("limits", "set", "--max-concurrent", "200", "--ageing-step", "1m"))
	require.Contains(t, c.ok("limits", "set", "--max-concurrent", "none"), "not bounded")

	for _, keep := range []struct{ flag, shown, json string }{
		{"7d", "7 days", "168h0m0s"}, {"36h", "36h0m0s", "36h0m0s"}, {"0", "for ever", "0s"}, {"24h", "1 day", "24h0m0s"},
	} {
		require.Contains(t, c.ok("limits", "set", "--retention", keep.flag), "retention            "+keep.shown+"\n")
		require.Equal(t, keep.json, c.object("limits", "show")["retention"])
	}

	require.Equal(t, "plan FREE: max concurrent 2, weight 1, nominal quota 1, borrowing limit 1, rate 30/m burst 5\n",
		c.ok("tier", "set", "free", "--nominal-quota", "1", "--borrowing-limit", "1", "--rate", "30/m", "--burst", "5"))
	requireGolden(t, "tier_list_quotas", c.ok("tier", "list"))
	id := c.object("workspace", "create", "acme", "--plan", "FREE")["id"].(string)
	require.Equal(t, "workspace acme on plan FREE, max concurrent 9, weight 3, cohort eu, nominal quota 4, rate 2.5/s burst 6\n",
		c.ok("workspace", "set", id, "--max-concurrent", "9", "--weight", "3", "--cohort", "eu", "--nominal-quota", "4", "--rate", "2.5/s", "--burst", "6"))
	require.Contains(t, c.ok("workspace", "set", id, "--allowed-hosts", "A.example,*.b.example:443"), " burst 6, allowed hosts a.example *.b.example:443\n")
	require.NotContains(t, c.ok("workspace", "set", id, "--allowed-hosts", "none"), "allowed")
	require.Equal(t, "workspace acme on plan FREE, without limits of its own\n", c.ok("workspace", "set", id, "--max-concurrent", "none",
		"--weight", "none", "--cohort", "none", "--nominal-quota", "none", "--rate", "none", "--burst", "none"))

	for want, args := range map[string][]string{
		"must be like 5/s, 30/m or 100/h, or none, not \"fast\"": {"tier", "set", "FREE", "--rate", "fast"},
		"must be a whole number or none, not \"x\"":              {"limits", "set", "--max-concurrent", "x"},
		"max concurrent workflows must be 0 to":                  {"limits", "set", "--max-concurrent", "-1"},
		"retention must be 24h to 36500 days, or 0":              {"limits", "set", "--retention", "1h"},
		"must be like 30d, 12h or 90s, not \"month\"":            {"limits", "set", "--retention", "month"},
		"must be a whole number of days, like 30d, not \"-1d\"":  {"limits", "set", "--retention", "-1d"},
		"may hold at most 2: raise max concurrent":               {"tier", "set", "FREE", "--nominal-quota", "3"},
		"without a rate":            {"tier", "set", "PRO", "--burst", "3"},
		"at least one of the flags": {"workspace", "set", id},
		"is no name of a host":      {"workspace", "set", id, "--allowed-hosts", "*"},
		"small letters":             {"workspace", "set", id, "--cohort", "E U"},
	} {
		out := c.run(args...)
		require.Equal(t, exitUsage, out.code, want)
		require.Contains(t, out.stderr, want)
	}
}

func TestSimulateWhatHasRun(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	require.Equal(t, "nothing has run; see --since\n", c.ok("simulate"))
	free := c.object("workspace", "create", "acme", "--plan", "FREE")["id"].(string)
	pro := c.object("workspace", "create", "globex", "--plan", "PRO")["id"].(string)
	for _, id := range []string{free, pro} {
		// Twenty executions of ten seconds each, all at once.
		c.exec(`INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority,
			attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), $1, gen_random_uuid(), 'COMPLETED', 3, 0, at, at, at, at, at + interval '10 seconds', 'x', 'x'
			FROM generate_series(1, 20), (SELECT date_trunc('second', now()) - interval '1 hour') AS t (at)`, id)
	}
	requireGolden(t, "simulate", c.ok("simulate", "--tier", "free=1"))
	result := c.object("simulate", "--workspace", free+"=max-concurrent:4,rate:1/s", "--max-concurrent", "5")
	require.EqualValues(t, 40, result["executions"])
	acme := result["workspaces"].([]any)[0].(map[string]any)
	require.Equal(t, "1m30s", acme["now"].(map[string]any)["waitP99"], "two at a time")

	for want, args := range map[string][]string{
		`"GOLD=3" names nothing that is known`: {"--tier", "GOLD=3"},
		`"FREE" is not like NAME=limits`:       {"--tier", "FREE"},
		`max-concurrent must be a whole`:       {"--tier", "FREE=x"},
		`unknown limit "colour"`:               {"--tier", "FREE=colour:3"},
		"a plan needs a max-concurrent":        {"--tier", "FREE=none"},
		"executions can never start":           {"--tier", "FREE=0"},
	} {
		out := c.run(append([]string{"simulate"}, args...)...)
		require.NotZero(t, out.code, want)
		require.Contains(t, out.stderr, want)
	}
}

func TestSimulateGeneratedWork(t *testing.T) {
	t.Parallel()
	c := newCLI(t) // neither server is needed
	file := filepath.Join(t.TempDir(), "classes.json")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(`[{"name": "flood", "count": 1, "executions": 5000, "runs": "100ms", "limits": "50"},
		{"name": "small", "count": 100, "executions": 5, "from": "1s", "runs": "100ms", "limits": "max-concurrent:10,weight:2"}]`)
	requireGolden(t, "simulate_generated", c.ok("simulate", "--generate", file, "--max-concurrent", "50", "--most", "3"))
	for want, text := range map[string]string{
		"is no list of classes": `{}`,
		"unknown field":         `[{"colour": "red"}]`,
		`class "a" needs a`:     `[{"name": "a", "limits": "3"}]`,
		"priorities are 1":      `[{"name": "a", "count": 1, "executions": 1, "limits": "3", "priorities": [1, 6]}]`,
		"more than 1000000":     `[{"name": "a", "count": 1001, "executions": 1000, "limits": "3"}]`,
	} {
		write(text)
		out := c.run("simulate", "--generate", file)
		require.Equal(t, exitUsage, out.code)
		require.Contains(t, out.stderr, want)
	}
}

// A workspace with one slot has urgent work for an hour, and some that is not urgent from the beginning.
func TestSimulateAnotherAgeingStep(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.stdin = `[{"name": "busy", "count": 1, "executions": 400, "over": "1h", "runs": "10s", "limits": "1", "priorities": [1, 1, 1, 5]}]`
	requireGolden(t, "simulate_ageing", c.ok("simulate", "--generate", "-", "--ageing-step", "0s"))
	of := func(args ...string) map[float64]time.Duration {
		p99 := map[float64]time.Duration{}
		for _, p := range c.object(append([]string{"simulate", "--generate", "-"}, args...)...)["priorities"].([]any) {
			wait, err := time.ParseDuration(p.(map[string]any)["then"].(map[string]any)["waitP99"].(string))
			require.NoError(t, err)
			p99[p.(map[string]any)["priority"].(float64)] = wait
		}
		return p99
	}
	asItIs, without, long := of(), of("--ageing-step", "0s"), of("--ageing-step", "24h")
	require.Less(t, asItIs[1], without[1], "the urgent go first")
	require.Less(t, without[5], asItIs[5])
	require.Less(t, asItIs[5], long[5], "and the others wait a bounded time")
	out := c.run("simulate", "--generate", "-", "--ageing-step", "-1s")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "must not be negative")
}
