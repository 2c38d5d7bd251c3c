package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processAlive reports whether a process with that pid exists, of any user.
func processAlive(pid int) bool {
	if pid <= 0 {
		return false
	}
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// endOrphan ends a server that a killed owner left behind. ours decides from the
// command line whether the pid still is that server; anything else is left alone.
func endOrphan(ctx context.Context, pid int, ours func(commandLine string) bool, steps ...stopStep) error {
	isOurs := func() bool { return processAlive(pid) && ours(commandLine(pid)) }
	if !isOurs() {
		return nil
	}
	for _, step := range steps {
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("end process %d, left behind by an earlier run: %w", pid, err)
		}
		for deadline := time.Now().Add(step.wait); time.Now().Before(deadline); {
			if !isOurs() {
				return nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				return fmt.Errorf("end process %d, left behind by an earlier run: %w", pid, err)
			}
		}
	}
	return fmt.Errorf("process %d, left behind by an earlier run, does not end; end it by hand", pid)
}

// endOrphanPostgres ends a postmaster that still runs on a data directory whose
// lock we hold, and clears away a postmaster.pid that names a stranger: pids are
// reused, and PostgreSQL would take that stranger for a live postmaster.
func endOrphanPostgres(ctx context.Context, dataDir string) error {
	path := filepath.Join(dataDir, "postmaster.pid")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil // no file: an orderly stop, or no cluster yet
	}
	first, _, _ := strings.Cut(string(data), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return nil // PostgreSQL says what is wrong with it
	}
	runsHere := func(cmd string) bool {
		return strings.Contains(cmd, "postgres") && strings.Contains(cmd+" ", " -D "+dataDir+" ")
	}
	if err := endOrphan(ctx, pid, runsHere, postgresStop...); err != nil {
		return err
	}
	if processAlive(pid) && pid != os.Getpid() {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove a stale postmaster.pid: %w", err)
		}
	}
	return nil
}

// writePIDFile records a child with the command line it was started with, which is how a later run recognises it. The
// kernel's own record is empty for a moment after the start, while the new program is being loaded.
func writePIDFile(path string, started *exec.Cmd) error {
	return writeFileAtomically(path, fmt.Appendf(nil, "%d\n%s\n", started.Process.Pid, strings.Join(started.Args, " ")))
}

// endOrphanFromPIDFile ends the process a pid file names if it still is the one that was recorded.
func endOrphanFromPIDFile(ctx context.Context, path string, steps ...stopStep) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	first, rest, _ := strings.Cut(string(data), "\n")
	recorded := strings.TrimSpace(rest)
	pid, err := strconv.Atoi(first)
	if err != nil || recorded == "" {
		return nil
	}
	return endOrphan(ctx, pid, func(cmd string) bool { return cmd == recorded }, steps...)
}
