package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	const own = "auto-create plan     none: workspaces are created beforehand\ntask queue template  workflow.workspace.{workspace}\n" +
		"fairness counts      slot-time\n"
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

// Sums of the largest limits fit everywhere, so that an operator sees what is set and can mend it.
func TestOverviewsShowTheLargestLimits(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	const most = "2147483647"
	c.ok("tier", "set", "BIG", "--max-concurrent", most, "--nominal-quota", most, "--borrowing-limit", most, "--weight", "1000", "--rate", "1000000/s", "--burst", most)
	c.ok("limits", "set", "--max-concurrent", most)
	id := c.enqueue()
	c.exec(`UPDATE sluice.workspaces SET plan = 'BIG', cohort = 'a'`)
	for _, name := range []string{"beside", "another"} {
		c.ok("workspace", "set", c.object("workspace", "create", name, "--plan", "BIG")["id"].(string), "--cohort", "a", "--nominal-quota", most, "--borrowing-limit", most)
	}
	claim(t, c)
	c.exec(`UPDATE sluice.running SET dispatched_at = now(), engine_run_id = 'run'`)
	_, err := store.RecordOutcome(t.Context(), c.pool(), store.Outcome{ExecutionID: uuid.MustParse(id), Status: "COMPLETED", RunID: "run"})
	require.NoError(t, err)
	for _, command := range [][]string{{"status"}, {"list"}, {"workspace", "list"}, {"tier", "list"}, {"describe", id}, {"audit", "--grace", "1ms"}, {"simulate"},
		{"simulate", "--max-concurrent", most, "--tier", "BIG=" + most}} {
		out := c.run(command...)
		require.Contains(t, []int{exitOK, exitUnreachable}, out.code, "%v: %s", command, out.stderr)
		require.NotEmpty(t, out.stdout, "%v", command)
		require.NotContains(t, out.stdout+out.stderr, "out of range", "%v", command)
		switch command[0] {
		case "status", "workspace":
			require.Contains(t, out.stdout, "0/"+most, "%v", command)
		case "audit":
			require.Regexp(t, `2 no claim exceeds the limit in force +1 +0\n`, out.stdout)
		}
	}
}

func TestLimitsOfAWorkspaceForATime(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	id := c.object("workspace", "create", "acme", "--plan", "FREE")["id"].(string)
	out := c.ok("workspace", "set", id, "--max-concurrent", "50", "--rate", "30/m", "--for", "2h", "--reason", "end of the month")
	require.Contains(t, out, "workspace acme on plan FREE, without limits of its own\nmaxConcurrentWorkflows 50 until ")
	require.Contains(t, out, "(in 2h), by starter:ann: end of the month\nstartsPerSecond 0.5 until ")
	require.EqualValues(t, 50, c.array("workspace", "list")[0]["limit"])
	until := time.Now().AddDate(0, 0, 3).UTC().Truncate(time.Second)
	set := c.object("workspace", "set", id, "--weight", "3", "--until", until.Format(time.RFC3339))
	require.Len(t, set["temporary"], 3)
	require.Equal(t, until.Format(time.RFC3339), set["temporary"].([]any)[2].(map[string]any)["until"].(string)[:19]+"Z")
	require.Equal(t, "workspace acme on plan FREE, without limits of its own\n", c.ok("workspace", "set", id, "--fall-back"))
	require.EqualValues(t, 2, c.array("workspace", "list")[0]["limit"])

	for want, args := range map[string][]string{
		"give --for or --until too":  {"--weight", "3", "--reason", "x"},
		"are set for good":           {"--cohort", "eu", "--for", "2h"},
		"at least one of the flags":  {"--for", "2h"},
		"[fall-back weight] are set": {"--fall-back", "--weight", "3"},
		"[for until] are set":        {"--weight", "3", "--for", "2h", "--until", "x"},
		"needs a value: without one": {"--weight", "none", "--for", "2h"},
		"--for must be more than 0":  {"--weight", "3", "--for", "0s"},
	} {
		out := c.run(append([]string{"workspace", "set", id}, args...)...)
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
	at := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, id := range []string{free, pro} {
		// Twenty executions of ten seconds each, all at once.
		c.exec(`INSERT INTO sluice.ended (id, workspace_id, workflow_definition_id, status, priority,
			attempt_count, created_at, available_at, claimed_at, dispatched_at, ended_at, trigger_type, enqueued_by)
			SELECT gen_random_uuid(), $1, gen_random_uuid(), 'COMPLETED', 3, 0, $2::timestamptz, $2, $2, $2, $2::timestamptz + interval '10 seconds', 'x', 'x'
			FROM generate_series(1, 20)`, id, at)
	}
	requireGolden(t, "simulate", c.ok("simulate", "--tier", "free=1"))
	result := c.object("simulate", "--workspace", free+"=max-concurrent:4,rate:1/s", "--max-concurrent", "5")
	require.EqualValues(t, 40, result["executions"])
	requireGolden(t, "simulate_never", c.ok("simulate", "--tier", "FREE=0"))
	never := c.object("simulate", "--max-concurrent", "0")["then"].(map[string]any)
	require.EqualValues(t, 40, never["neverStarted"])
	require.NotContains(t, never, "waitP50")
	acme := result["workspaces"].([]any)[0].(map[string]any)
	require.Equal(t, "1m30s", acme["now"].(map[string]any)["waitP99"], "two at a time")

	for want, args := range map[string][]string{
		`unknown plan "GOLD" (there are FREE, STARTER, PRO`: {"--tier", "gold=3"},
		"unknown workspace \"nobody\"":                      {"--workspace", "nobody=3"},
		`"FREE" is not like NAME=limits`:                    {"--tier", "FREE"},
		`max-concurrent must be a whole`:                    {"--tier", "FREE=x"},
		`unknown limit "colour"`:                            {"--tier", "FREE=colour:3"},
		"plan FREE needs a limit of concurrent workflows":   {"--tier", "FREE=none"},
		"plan FREE can have no cohort":                      {"--tier", "FREE=cohort:eu"},
		"plan FREE: weight must be 1 to 1000, got 1001":     {"--tier", "FREE=weight:1001"},
		"--max-concurrent must not be negative":             {"--max-concurrent", "-1"},
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
		`class 1 ("a") needs a count of 1 to 1000000 workspaces, not 0`:         `[{"name": "a", "limits": "3"}]`,
		`class 2 ("b") has no limits: say how many`:                             `[{"name": "a", "count": 1, "limits": "3"}, {"name": "b", "count": 1}]`,
		`class 1 ("a") has limits "weight:2" without a max-concurrent: add one`: `[{"name": "a", "count": 1, "limits": "weight:2"}]`,
		`class 1 ("a") has limits "3,weight:x": weight must be a whole number`:  `[{"name": "a", "count": 1, "limits": "3,weight:x"}]`,
		`class 1 ("a") has limits "3,weight:2000": weight must be 1 to 1000`:    `[{"name": "a", "count": 1, "limits": "3,weight:2000"}]`,
		`class 1 ("") has a negative time`:                                      `[{"count": 1, "limits": "3", "over": "-1s"}]`,
		`class 1 ("a") has type 1 (""): a type needs a name`:                    `[{"name": "a", "count": 1, "limits": "3", "types": [{"often": 1}]}]`,
		"has priorities [1 6]: they are 1":                                      `[{"name": "a", "count": 1, "executions": 1, "limits": "3", "priorities": [1, 6]}]`,
		"more than 1000000":                                                     `[{"name": "a", "count": 1001, "executions": 1000, "limits": "3"}]`,
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
