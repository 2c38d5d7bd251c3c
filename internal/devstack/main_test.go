package devstack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// ownerEnv makes the test binary a process that owns a stack on the directory it
// names, until it is killed.
const ownerEnv = "SLUICE_TEST_OWNER_OF"

func TestMain(m *testing.M) {
	if dir := os.Getenv(ownerEnv); dir != "" {
		if _, err := Start(context.Background(), Config{Dir: dir, Headless: true}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		select {}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	aside, err := os.MkdirTemp("", "sluice-aside-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(aside)
	if err := os.Chmod(aside, 0o711); err != nil {
		panic(err)
	}
	asideRoot = aside
	code := m.Run()
	if code == 0 {
		err := goleak.Find()
		for began := time.Now(); err != nil && time.Since(began) < patience; err = goleak.Find() {
			time.Sleep(100 * time.Millisecond) // goroutines that are about to end take their time on a busy machine
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// patience is for what takes milliseconds on a machine that does nothing else.
const patience = time.Minute

// openTempDir is a temporary directory that other users can enter, which t.TempDir is not.
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sluice-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	real, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	return real
}

func startStack(t *testing.T, cfg Config) *Stack {
	t.Helper()
	if cfg.Progress == nil {
		cfg.Progress = t.Logf
	}
	s, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}
