package devstack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// The build takes minutes and a module cache or a network, so that it runs when asked for:
//
//	SLUICE_TEST_BUILD=1 go test -run TestBuildsTemporalOnce -timeout 20m ./internal/devstack
func TestBuildsTemporalOnce(t *testing.T) {
	if os.Getenv("SLUICE_TEST_BUILD") == "" {
		t.Skip("SLUICE_TEST_BUILD is not set")
	}
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	t.Setenv("PATH", filepath.Dir(goTool)+":/usr/bin:/bin")
	t.Setenv("GOFLAGS", os.Getenv("GOFLAGS")+" -mod=mod")
	_, err = exec.LookPath("temporal")
	require.Error(t, err, "PATH still has a temporal")
	cache := t.TempDir()
	// The cache moves away from the go tool's own, which has what the build needs.
	if os.Getenv("GOCACHE") == "" {
		out, err := exec.Command(goTool, "env", "GOCACHE").Output()
		require.NoError(t, err)
		t.Setenv("GOCACHE", string(out[:len(out)-1]))
	}
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(temporalDownloadEnv, "http://127.0.0.1:1") // nothing listens there

	var builds atomic.Int32
	progress := func(format string, args ...any) {
		t.Logf(format, args...)
		if strings.Contains(format, "building it once") {
			builds.Add(1)
		}
	}
	results := make(chan error, 2)
	for range cap(results) {
		go func() {
			path, err := temporalBinary(t.Context(), progress)
			if err == nil {
				err = answersVersion(t.Context(), path)
			}
			results <- err
		}()
	}
	for range cap(results) {
		require.NoError(t, <-results)
	}
	require.EqualValues(t, 1, builds.Load())

	path, err := temporalBinary(t.Context(), func(string, ...any) { t.Error("a second start built again") })
	require.NoError(t, err)
	stack, err := StartTemporal(t.Context(), TemporalConfig{Dir: t.TempDir(), Headless: true, InMemory: true})
	require.NoError(t, err, path)
	require.NoError(t, stack.Close())
}

func TestGoFlagsKeepWhatIsNotAboutTheModule(t *testing.T) {
	t.Parallel()
	require.Equal(t, "-buildvcs=false -p=2", withoutModFlags("-mod=vendor -buildvcs=false --modfile=x.mod -p=2"))
}
