package main

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
)

// What a server has used grows by what it does, also in processes that have ended.
func TestServerTimeCountsAllProcesses(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	url := devtest.Postgres(t)
	d, err := openDatabase(t.Context(), url)
	require.NoError(t, err)
	defer d.close()
	before, err := d.usage(t.Context())
	require.NoError(t, err)
	require.True(t, before.known)
	require.Eventually(t, func() bool { // it is in the parent's account once the parent has noticed; on a busy machine one may get little of a processor
		busy := execOnce(t.Context(), url, `DO $$ BEGIN WHILE clock_timestamp() < now() + interval '0.5 s' LOOP END LOOP; END $$`)
		after, err := d.usage(t.Context())
		return busy == nil && err == nil && after.used-before.used >= 2*tick
	}, time.Minute, 10*time.Millisecond)
}

func TestProcessesAreRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	p, ok := readProcess(os.Getpid())
	require.True(t, ok)
	require.Equal(t, os.Getppid(), p.parent)
	_, ok = readProcess(-1)
	require.False(t, ok)
}
