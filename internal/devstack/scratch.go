package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const scratchPrefix = "sluice-scratch-"

// scratch is a directory for one run. Its lock says that the run lives; what a
// killed run left behind is swept away by the next one.
type scratch struct {
	path string
	lock *fileLock
}

// newScratch makes one that user can enter.
func newScratch(ctx context.Context, user *account) (*scratch, error) {
	var errs []error
	for _, parent := range []string{os.TempDir(), "/tmp", asideRoot} {
		if user != nil {
			if err := user.canEnter(parent); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		sweepScratch(ctx, parent)
		s, err := makeScratch(parent)
		if err == nil {
			return s, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("make a temporary directory that %s can enter: %w", user, errors.Join(errs...))
}

func makeScratch(parent string) (*scratch, error) {
	path, err := os.MkdirTemp(parent, scratchPrefix)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o711); err != nil {
		return nil, err
	}
	lock, err := tryLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	return &scratch{path: path, lock: lock}, nil
}

func (s *scratch) remove() error {
	defer s.lock.release()
	if err := os.RemoveAll(s.path); err != nil {
		return fmt.Errorf("remove a temporary directory: %w", err)
	}
	return nil
}

// sweepScratch removes our own directories whose run is over. It is a courtesy:
// whatever goes wrong is left for the next time.
func sweepScratch(ctx context.Context, parent string) {
	paths, _ := filepath.Glob(filepath.Join(parent, scratchPrefix+"*"))
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			continue
		}
		// A young one may be about to be locked.
		if time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := tryLock(filepath.Join(path, "lock"))
		if err != nil {
			continue
		}
		if endOrphanPostgres(ctx, filepath.Join(path, clusterName)) == nil {
			_ = os.RemoveAll(path)
		}
		lock.release()
	}
}
