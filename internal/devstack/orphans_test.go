package devstack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An owner that was killed where there are no death signals is one that lost its
// lock while its servers live on.
func TestOrphansAreEndedByTheNextStart(t *testing.T) {
	t.Parallel()
	dir := openTempDir(t)
	postgres, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir, Progress: t.Logf})
	require.NoError(t, err)
	temporal, err := StartTemporal(t.Context(), TemporalConfig{Dir: dir, Headless: true, Progress: t.Logf})
	require.NoError(t, err)
	postgres.lock.release()
	temporal.lock.release()

	startStack(t, Config{Dir: dir, Headless: true})
	<-postgres.Done()
	<-temporal.Done()
}

func TestStrangersAreLeftAlone(t *testing.T) {
	t.Parallel()
	stranger := exec.Command("sleep", "600")
	require.NoError(t, stranger.Start())
	// It has a command line once the kernel has loaded the program, a moment after Start returns.
	require.Eventually(t, func() bool { return commandLine(stranger.Process.Pid) != "" }, patience, time.Millisecond)
	defer stranger.Wait()
	defer stranger.Process.Kill()
	dir := t.TempDir()
	end := stopStep{syscall.SIGKILL, patience}

	pidFile := filepath.Join(dir, temporalPIDName)
	require.NoError(t, os.WriteFile(pidFile, fmt.Appendf(nil, "%d\ntemporal server start-dev\n", stranger.Process.Pid), 0o600))
	require.NoError(t, endOrphanFromPIDFile(t.Context(), pidFile, end))
	postmaster := filepath.Join(dir, "postmaster.pid")
	require.NoError(t, os.WriteFile(postmaster, fmt.Appendf(nil, "%d\n%s\n", stranger.Process.Pid, dir), 0o600))
	require.NoError(t, endOrphanPostgres(t.Context(), dir))
	require.NotEmpty(t, commandLine(stranger.Process.Pid))
	require.NoFileExists(t, postmaster, "PostgreSQL would take the stranger for its postmaster")

	require.NoError(t, writePIDFile(pidFile, stranger))
	ended := make(chan error, 1)
	go func() { ended <- stranger.Wait() }()
	require.NoError(t, endOrphanFromPIDFile(t.Context(), pidFile, end), "now it is the recorded one")
	require.Error(t, <-ended)
}

func TestAbandonedScratchIsSwept(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	live, err := makeScratch(parent)
	require.NoError(t, err)
	abandoned, err := makeScratch(parent)
	require.NoError(t, err)
	abandoned.lock.release()
	young := filepath.Join(parent, scratchPrefix+"young")
	require.NoError(t, os.Mkdir(young, 0o700))
	old := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(live.path, old, old))
	require.NoError(t, os.Chtimes(abandoned.path, old, old))

	sweepScratch(t.Context(), parent)
	require.DirExists(t, live.path)
	require.DirExists(t, young)
	require.NoDirExists(t, abandoned.path)
	require.NoError(t, live.remove())
}
