package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

const (
	postgresRepositoryEnv = "SLUICE_POSTGRES_REPOSITORY"
	// postgresDownloadVersion is what machines without PostgreSQL get.
	postgresDownloadVersion = embeddedpostgres.V17
)

// downloadPostgres fetches PostgreSQL once into the cache and returns it. The
// library cannot be interrupted: when ctx ends first, the download goes on in
// the background until this process ends.
func downloadPostgres(ctx context.Context, progress func(string, ...any)) (postgresInstall, error) {
	cache, err := sharedCacheDir()
	if err != nil {
		return postgresInstall{}, err
	}
	final := filepath.Join(cache, "postgresql-"+string(postgresDownloadVersion))
	if install, err := inspectPostgres(ctx, filepath.Join(final, "bin")); err == nil {
		return install, nil
	}
	lock, err := waitLock(ctx, final+".lock", func() { progress("waiting for another process to fetch PostgreSQL") })
	if err != nil {
		return postgresInstall{}, err
	}
	done := make(chan error, 1)
	go func() {
		defer lock.release()
		done <- fetchPostgres(ctx, cache, final, progress)
	}()
	select {
	case err := <-done:
		if err != nil {
			return postgresInstall{}, err
		}
	case <-ctx.Done():
		return postgresInstall{}, fmt.Errorf("fetch PostgreSQL: %w", context.Cause(ctx))
	}
	return inspectPostgres(ctx, filepath.Join(final, "bin"))
}

// fetchPostgres runs under the lock. The library extracts file by file, so that
// it extracts aside and the whole is renamed.
func fetchPostgres(ctx context.Context, cache, final string, progress func(string, ...any)) error {
	if _, err := inspectPostgres(ctx, filepath.Join(final, "bin")); err == nil {
		return nil // another process did it while this one waited
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("fetch PostgreSQL: %w", err)
	}
	defer os.RemoveAll(work)
	extracted := filepath.Join(work, "extracted")
	port, err := pickPort(0)
	if err != nil {
		return err
	}

	var output bytes.Buffer
	cfg := embeddedpostgres.DefaultConfig().Version(postgresDownloadVersion).Port(uint32(port)).
		CachePath(work).BinariesPath(extracted).RuntimePath(filepath.Join(work, "run")).Logger(&output).
		// The library has no "fetch only": Start would initialise and start a server
		// of its own. With a locale that does not exist its initdb fails right after
		// the extraction, for every user alike.
		Locale("sluice-fetches-only")
	if url := os.Getenv(postgresRepositoryEnv); url != "" {
		cfg = cfg.BinaryRepositoryURL(url)
	}
	progress("fetching PostgreSQL %s once, about 10 MB ...", postgresDownloadVersion)
	started := time.Now()
	server := embeddedpostgres.NewDatabase(cfg)
	startErr := server.Start()
	if startErr == nil {
		startErr = server.Stop()
	}
	// What counts is what was extracted, not what became of the library's server.
	err = openToAll(extracted)
	if err == nil {
		_, err = inspectPostgres(ctx, filepath.Join(extracted, "bin"))
	}
	if err != nil {
		return fmt.Errorf("fetch PostgreSQL %s (another repository can be named in %s): %w",
			postgresDownloadVersion, postgresRepositoryEnv, errors.Join(startErr, err))
	}
	if err := os.RemoveAll(final); err != nil {
		return fmt.Errorf("replace broken binaries: %w", err)
	}
	if err := os.Rename(extracted, final); err != nil {
		return fmt.Errorf("put PostgreSQL into the cache: %w", err)
	}
	progress("PostgreSQL is in %s after %s", final, time.Since(started).Round(time.Second))
	return nil
}

// openToAll lets every user read and execute what was extracted under our umask.
func openToAll(root string) error {
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		switch {
		case entry.IsDir() || info.Mode().IsRegular() && mode&0o100 != 0:
			mode |= 0o555
		case info.Mode().IsRegular():
			mode |= 0o444
		default:
			return nil
		}
		return os.Chmod(path, mode)
	})
}
