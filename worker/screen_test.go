package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/store/facts"
)

func TestScreenRedrawsBelowTheLog(t *testing.T) {
	t.Parallel()
	var both bytes.Buffer // a terminal shows both streams
	s := newScreen(&both, &both, true)
	s.show("one\ntwo\n")
	_, err := fmt.Fprint(s.logs(), "log\n")
	require.NoError(t, err)
	s.show("three\n")
	s.settle()
	s.printf("done\n")
	require.Equal(t, "one\ntwo\n\x1b[2A\x1b[Jlog\none\ntwo\n\x1b[2A\x1b[Jthree\ndone\n", both.String())
}

func TestScreenWithoutATerminalOnlyWrites(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	s := newScreen(&out, &err, isTerminal(&out))
	s.show("one\n")
	_, _ = fmt.Fprint(s.logs(), "log\n")
	s.show("two\n")
	require.Equal(t, "one\ntwo\n", out.String())
	require.Equal(t, "log\n", err.String())
}

func TestProgressTableNeverWraps(t *testing.T) {
	t.Parallel()
	table := progressTable([]facts.WorkspaceUsage{
		{Name: strings.Repeat("long ", 20), Plan: "ENTERPRISE", Pending: 9999, Running: 100, Limit: 100, Done: 9999, LongestMS: 3_600_000},
	}, 0)
	for line := range strings.Lines(table) {
		require.LessOrEqual(t, len(line), 80)
	}
	require.Contains(t, table, "3600.0s")
}
