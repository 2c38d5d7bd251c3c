package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

// What needs no Temporal works: each scenario holds by its own premises, and measures all that it has gates for.
func TestScenariosOnPostgres(t *testing.T) {
	gates, err := readGates()
	require.NoError(t, err)
	b := &bench{scale: tiny, server: devtest.Postgres(t), progress: t.Logf}
	chosen, err := choose([]string{"heldopen", "enqueue", "engine", "claim"})
	require.NoError(t, err)
	require.Len(t, chosen, 4)
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
				require.Positive(t, l.median, l.name)
			}
		})
	}
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
