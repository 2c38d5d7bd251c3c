package devstack

import (
	"bytes"
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
	// temporalCLIVersion is the newest that builds with a plain go install.
	temporalCLIVersion = "v1.5.1"
	temporalCLIPackage = "github.com/temporalio/cli/cmd/temporal@" + temporalCLIVersion
	buildTick          = 15 * time.Second
)

// temporalBinary is the named one, the one on PATH, the one built earlier, or
// one that is built now.
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
	return builtTemporal(ctx, filepath.Join(cache, "bin"), progress)
}

// answersVersion keeps a foreign or broken program of that name from being run as a server.
func answersVersion(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = cleanEnv()
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", path, err)
	}
	if !strings.HasPrefix(string(out), "temporal version") {
		return fmt.Errorf("ask %s for its version: it answered %q", path, out)
	}
	return nil
}

// builtTemporal builds the CLI into dir unless it is there. Several processes may
// want it at once; the lock lets one build and the others wait.
func builtTemporal(ctx context.Context, dir string, progress func(string, ...any)) (string, error) {
	final := filepath.Join(dir, "temporal-"+temporalCLIVersion)
	if answersVersion(ctx, final) == nil {
		return final, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make a directory for built binaries: %w", err)
	}
	lock, err := waitLock(ctx, final+".lock", func() { progress("waiting for another process to build the Temporal dev server") })
	if err != nil {
		return "", err
	}
	defer lock.release()
	if answersVersion(ctx, final) == nil {
		return final, nil
	}
	if err := buildTemporal(ctx, final, progress); err != nil {
		return "", fmt.Errorf("there is no Temporal CLI on this machine, and building one failed; "+
			"install it (https://docs.temporal.io/cli) or name one in %s: %w", temporalCLIEnv, err)
	}
	return final, nil
}

func buildTemporal(ctx context.Context, final string, progress func(string, ...any)) error {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("find the go tool: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(final), "build-")
	if err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	defer os.RemoveAll(work)

	progress("building the Temporal dev server once, takes a few minutes ...")
	started := time.Now()
	defer every(buildTick, func() {
		progress("still building the Temporal dev server (%s)", time.Since(started).Round(time.Second))
	})()

	cmd := exec.CommandContext(ctx, goTool, "install", "-ldflags=-s -w", temporalCLIPackage)
	cmd.Dir = work // outside of any module
	cmd.Env = append(os.Environ(), "GOBIN="+work, "GOFLAGS="+withoutModFlags(os.Getenv("GOFLAGS")),
		"GO111MODULE=on", "GOWORK=off", "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The go tool runs compilers underneath: a cancelled start ends them all.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("go install %s: %w\n%s", temporalCLIPackage, err, lastBytes(output.Bytes(), 4096))
	}
	built := filepath.Join(work, "temporal")
	if err := errors.Join(answersVersion(ctx, built), os.Rename(built, final)); err != nil {
		return fmt.Errorf("use the Temporal dev server just built: %w", err)
	}
	progress("built %s in %s", final, time.Since(started).Round(time.Second))
	return nil
}

// withoutModFlags drops what is about the caller's module and would make go install of another one fail.
func withoutModFlags(flags string) string {
	var kept []string
	for _, flag := range strings.Fields(flags) {
		if name := strings.TrimLeft(flag, "-"); strings.HasPrefix(name, "mod=") || strings.HasPrefix(name, "modfile=") || name == "race" {
			continue
		}
		kept = append(kept, flag)
	}
	return strings.Join(kept, " ")
}

// every calls f at the interval until the returned function is called.
func every(interval time.Duration, f func()) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f()
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func lastBytes(b []byte, n int) []byte {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return bytes.TrimSpace(b)
}
