package main

import (
	"io"
	"math"
	"os"
	"runtime/debug"
	"testing"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/stretchr/testify/require"
)

// What ends the process when it has too much memory ends the work of all workspaces in it.
func TestTheGarbageCollectorKnowsTheMemoryOfTheContainer(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "") // it is set back at the end
	require.NoError(t, os.Unsetenv("GOMEMLIMIT"))
	before, of := debug.SetMemoryLimit(-1), memoryOfContainer
	defer func() {
		debug.SetMemoryLimit(before)
		memoryOfContainer = of
	}()
	begin := func(memory memlimit.Provider) int64 {
		memoryOfContainer = memory
		require.Error(t, run(t.Context(), config{databaseURL: "postgres://127.0.0.1:1/none"}, io.Discard, io.Discard), "there is no database")
		return debug.SetMemoryLimit(-1)
	}
	require.EqualValues(t, 900<<20, begin(memlimit.Limit(1000<<20)))
	require.EqualValues(t, math.MaxInt64, begin(func() (uint64, error) { return 0, memlimit.ErrNoLimit }))
	require.EqualValues(t, math.MaxInt64, begin(func() (uint64, error) { return 0, memlimit.ErrCgroupsNotSupported }), "it runs all the same")

	t.Setenv("GOMEMLIMIT", "1GiB")
	require.EqualValues(t, math.MaxInt64, begin(memlimit.Limit(1000<<20)), "the runtime has read GOMEMLIMIT itself")
}
