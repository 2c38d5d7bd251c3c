package main

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptions(t *testing.T) {
	t.Parallel()
	var got options
	cmd := newCommand(func(_ context.Context, o options, _, _ io.Writer) error { got = o; return nil })
	cmd.SetArgs([]string{"--seed=7", "--kinds=pause"})
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	require.Equal(t, uint64(7), got.seed)
	require.Equal(t, 5*time.Minute, got.duration)
	require.NotEmpty(t, got.faults)
	c := &chaos{options: got}
	require.Equal(t, "go run ./internal/chaos --seed 7 --duration 5m0s --workers 3 --rate 8 --kinds pause", c.command())
}

func TestThePlanIsPrintedAndNothingRuns(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	cmd := newCommand(func(context.Context, options, io.Writer, io.Writer) error { panic("it ran") })
	cmd.SetArgs([]string{"--plan", "--kinds=worker-kill"})
	cmd.SetOut(&out)
	require.NoError(t, cmd.ExecuteContext(t.Context()))
	require.Contains(t, out.String(), "worker-kill for ")
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"--workers must be at least 2": {"--workers=1"},
		"--rate must be positive":      {"--rate=0"},
		"--duration must be positive":  {"--duration=-1s"},
		"unknown kind of fault":        {"--kinds=earthquake"},
		"unknown flag":                 {"--shards=2"},
		"unknown command":              {"now"},
	} {
		cmd := newCommand(func(context.Context, options, io.Writer, io.Writer) error { panic("it ran") })
		cmd.SetArgs(args)
		cmd.SetErr(io.Discard)
		err := cmd.ExecuteContext(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorAs(t, err, new(usageError))
	}
}
