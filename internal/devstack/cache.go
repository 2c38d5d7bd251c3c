package devstack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// userCacheDir is where this user's built binaries are kept.
func userCacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w", err)
	}
	dir := filepath.Join(base, "sluice")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a cache directory: %w", err)
	}
	return dir, nil
}

// sharedCacheDir is where binaries are kept that the user PostgreSQL runs as
// must reach: root's own cache usually lies behind a closed door.
func sharedCacheDir() (string, error) {
	user, err := postgresAccount()
	if err != nil {
		return "", err
	}
	own, ownErr := userCacheDir()
	if user == nil {
		return own, ownErr
	}
	errs := []error{ownErr}
	for _, dir := range []string{own, "/var/cache/sluice"} {
		if dir == "" {
			continue
		}
		err := os.MkdirAll(dir, 0o755)
		if err == nil {
			err = user.canEnter(dir)
		}
		if err == nil {
			return dir, nil
		}
		errs = append(errs, err)
	}
	return "", fmt.Errorf("make a cache directory that %s can enter: %w", user, errors.Join(errs...))
}
