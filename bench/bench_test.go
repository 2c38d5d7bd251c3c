package main

import (
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
	"sluice/workflows"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == outsideCommand {
		main() // this program again, as the scenarios start it
		return
	}
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// What needs no Temporal works: each scenario holds by its own premises, and measures all that it has gates for.
func TestScenariosOnPostgres(t *testing.T) {
	gates, err := readGates()
	require.NoError(t, err)
	b := &bench{scale: tiny, server: devtest.Postgres(t), progress: t.Logf}
	chosen, err := choose([]string{"heldopen", "enqueue", "engine", "claim", "load"})
	require.NoError(t, err)
	require.Len(t, chosen, 5)
	for _, s := range chosen {
		t.Run(s.name, func(t *testing.T) {
			runs, err := b.repeat(t.Context(), s, 1)
			require.NoError(t, err)
			section, err := judge(s, runs, gates)
			require.NoError(t, err)
			for _, l := range section.lines {
				if l.name == "claim.plans" {
					require.Zero(t, l.median, "the backlog is only ever read through its index")
					continue
				}
				if strings.HasSuffix(l.name, ".cpu.postgres") {
					require.GreaterOrEqual(t, l.median, 0.0, "so short a run may take less than a tick of the clock: %s", l.name)
					continue
				}
				require.Positive(t, l.median, l.name)
			}
		})
	}
}

func TestAnotherProcessEnqueuesInBothWays(t *testing.T) {
	t.Parallel()
	b := &bench{server: devtest.Postgres(t), progress: t.Logf}
	d, err := b.newDatabase(t.Context(), 1, 1)
	require.NoError(t, err)
	defer d.close()
	app, err := newOutside(t.Context(), d.pool.Config().ConnString(), "no Temporal is asked")
	require.NoError(t, err)
	for _, way := range []string{bySQL, byGo} {
		began := time.Now()
		a, err := app.ask(order{Way: way, Workspace: d.workspaces[0], Definition: d.definitions[0]})
		require.NoError(t, err, way)
		require.WithinRange(t, a.At, began, time.Now(), way)
		id, ok := workflows.ParseExecutionID(a.WorkflowID)
		require.True(t, ok, way)
		found, err := one[uuid.UUID](t.Context(), d, `SELECT workspace_id FROM sluice.pending WHERE id = $1`, id)
		require.NoError(t, err, way)
		require.Equal(t, d.workspaces[0], found, way)
	}
	require.NoError(t, app.close())
}

// These figures depend neither on the machine nor on the scale.
func TestFairnessMeetsItsGates(t *testing.T) {
	t.Parallel()
	gates, err := readGates()
	require.NoError(t, err)
	s, err := choose([]string{"fairness"})
	require.NoError(t, err)
	figures, err := fairness(t.Context(), &bench{})
	require.NoError(t, err)
	sum, err := judge(s[0], [][]figure{figures}, gates)
	require.NoError(t, err)
	require.Zero(t, report{sections: []section{sum}}.missed(), "%+v", figures)
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		`no scenario "speed"`:   {"--only", "claim,speed"},
		"small or full":         {"--scale", "tiny"},
		"at least 1":            {"--repeat", "0"},
		`unknown command "all"`: {"all"},
	} {
		cmd := newCommand()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		require.ErrorContains(t, cmd.ExecuteContext(t.Context()), want)
	}
}
