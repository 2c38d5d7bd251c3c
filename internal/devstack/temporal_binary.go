package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	temporalCLIEnv = "SLUICE_TEMPORAL_CLI"
	// temporalCLIVersion is the same whether it is downloaded or built: the newest that builds with a plain go install.
	temporalCLIVersion = "v1.5.1"
)

// temporalBinary is the named one, the one on PATH, the one fetched earlier, or one that is fetched now.
func temporalBinary(ctx context.Context, progress func(string, ...any)) (string, error) {
	if path := os.Getenv(temporalCLIEnv); path != "" {
		if err := answersVersion(ctx, path); err != nil {
			return "", fmt.Errorf("use the temporal binary that %s names: %w", temporalCLIEnv, err)
		}
		return path, nil
	}
	if path, err := exec.LookPath("temporal"); err == nil && answersVersion(ctx, path) == nil {
		return path, nil
	}
	cache, err := userCacheDir()
	if err != nil {
		return "", err
	}
	return fetchedTemporal(ctx, newTemporalDownload(), filepath.Join(cache, "bin"), progress)
}

// answersVersion keeps a foreign or broken program of that name from being run as a server.
func answersVersion(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	out, err := runVersion(ctx, path)
	// A file that has just been written may be open for writing still: in a child that was forked meanwhile, until its exec.
	for errors.Is(err, syscall.ETXTBSY) && sleep(ctx, 10*time.Millisecond) == nil {
		out, err = runVersion(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	if !strings.HasPrefix(string(out), "temporal version") {
		return fmt.Errorf("ask %s for its version: it answered %q", path, out)
	}
	return nil
}

func runVersion(ctx context.Context, path string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = cleanEnv()
	return cmd.Output()
}

// fetchedTemporal puts the CLI into dir unless it is there. Several processes may want it at once; the lock lets one
// fetch it and the others wait.
func fetchedTemporal(ctx context.Context, from temporalDownload, dir string, progress func(string, ...any)) (string, error) {
	final := filepath.Join(dir, "temporal-"+temporalCLIVersion)
	if answersVersion(ctx, final) == nil {
		return final, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for binaries: %w", err)
	}
	lock, err := waitLock(ctx, final+".lock", func() { progress("waiting for another process to fetch the Temporal dev server") })
	if err != nil {
		return "", err
	}
	defer lock.release()
	if answersVersion(ctx, final) == nil {
		return final, nil
	}
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", fmt.Errorf("make a directory to work in: %w", err)
	}
	defer os.RemoveAll(work)
	started := time.Now()
	fetched, err := downloadOrBuild(ctx, from, work, progress)
	if err != nil {
		return "", fmt.Errorf("there is no Temporal CLI on this machine, and fetching one failed; "+
			"install it (https://docs.temporal.io/cli) or name one in %s: %w", temporalCLIEnv, err)
	}
	if err := os.Rename(fetched, final); err != nil {
		return "", fmt.Errorf("put the Temporal dev server into the cache: %w", err)
	}
	progress("the Temporal dev server is in %s after %s", final, time.Since(started).Round(time.Second))
	return final, nil
}

// downloadOrBuild prefers the official binary. Where there is no way to it, the Go module proxy may still be reached.
func downloadOrBuild(ctx context.Context, from temporalDownload, work string, progress func(string, ...any)) (string, error) {
	path, err := from.into(ctx, work, progress)
	if err == nil || ctx.Err() != nil {
		return path, err
	}
	progress("cannot download the Temporal dev server (%s); building it once, takes a few minutes ...", err)
	path, buildErr := buildTemporal(ctx, work, progress)
	if buildErr != nil {
		return "", errors.Join(err, buildErr)
	}
	return path, nil
}
