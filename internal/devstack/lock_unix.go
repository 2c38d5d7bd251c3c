//go:build unix

package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// InUseError says that another live process runs a stack, or a part of one, on
// the same directory.
type InUseError struct {
	Dir string
	// PID is the process that holds the directory, 0 if it did not say.
	PID int
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("the data directory %s is used by %s; stop it, or choose another directory", e.Dir, who)
}

// fileLock is an flock that the kernel drops when its holder dies, however it
// dies. The file itself stays: removing it would let two holders lock two files.
type fileLock struct{ file *os.File }

var errLocked = errors.New("locked by another process")

func tryLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The pid is for the error message of the next process; a failure to write it costs no safety.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &fileLock{f}, nil
}

// waitLock tries until it has the lock or ctx ends; onWait is called once, before the first wait.
func waitLock(ctx context.Context, path string, onWait func()) (*fileLock, error) {
	for first := true; ; first = false {
		l, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		if first && onWait != nil {
			onWait()
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, fmt.Errorf("wait for the lock %s: %w", path, err)
		}
	}
}

// acquireDir locks a name in dir for this process. It insists for a moment,
// because ReadAddresses probes the lock by taking it for an instant.
func acquireDir(ctx context.Context, dir, name string) (*fileLock, error) {
	path := filepath.Join(dir, name)
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	l, err := waitLock(ctx, path, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		data, _ := os.ReadFile(path)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(data)))
		return nil, &InUseError{Dir: dir, PID: pid}
	}
	return l, err
}

func (l *fileLock) release() {
	if l != nil {
		_ = l.file.Close()
	}
}

// lockHeld reports whether a process holds the lock, without keeping it.
func lockHeld(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
