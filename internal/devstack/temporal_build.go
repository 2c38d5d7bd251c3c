package devstack

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	temporalCLIPackage = "github.com/temporalio/cli/cmd/temporal@" + temporalCLIVersion
	buildTick          = 15 * time.Second
)

// buildTemporal builds the CLI in a directory, from what the Go module proxy has.
func buildTemporal(ctx context.Context, work string, progress func(string, ...any)) (string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("find the go tool: %w", err)
	}
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
		return "", fmt.Errorf("go install %s: %w\n%s", temporalCLIPackage, err, lastBytes(output.Bytes(), 4096))
	}
	built := filepath.Join(work, "temporal")
	if err := answersVersion(ctx, built); err != nil {
		return "", fmt.Errorf("use the Temporal dev server just built: %w", err)
	}
	return built, nil
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
