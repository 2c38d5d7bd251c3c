//go:build !race

// The race detector sees nothing of other processes, and npm takes its time.

package typescript_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack/devtest"
	"sluice/internal/exampletest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// It runs where Node.js is, with packages from the npm registry.
func TestATypeScriptApplicationIsAdmittedThroughAGatewayAndThroughSQL(t *testing.T) {
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("skipped: there is no", tool)
		}
	}
	dir := build(t)
	s := exampletest.Start(t)
	node := func(temporal, script string) *exec.Cmd {
		return s.Command(temporal, "node", filepath.Join(dir, "lib", script))
	}
	stderr := exampletest.Background(t, node("", "worker.js"))
	go func() { _, _ = io.Copy(t.Output(), stderr) }()

	var want strings.Builder
	for number := range 6 {
		fmt.Fprintf(&want, "invoice %d for acme\n", number+1)
	}
	require.Equal(t, want.String(), exampletest.Run(t, node(s.Gateway, "client.js")))
	s.RequireWithinLimit(t, "acme", 6)
	require.Equal(t, want.String(), exampletest.Run(t, node("", "sql.js")))
	s.RequireWithinLimit(t, "acme", 12)
	t.Log("the TypeScript example ran: 6 workflows through the gateway, 6 through SQL")
}

// build installs the packages and compiles the application in a directory of the test's own.
func build(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, file := range []string{"package.json", "package-lock.json", "tsconfig.json"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), text, 0o600))
	}
	require.NoError(t, os.CopyFS(filepath.Join(dir, "src"), os.DirFS("src")))
	for _, args := range [][]string{{"ci", "--prefer-offline", "--no-audit", "--no-fund"}, {"run", "build"}} {
		npm := exec.CommandContext(t.Context(), "npm", args...)
		npm.Dir = dir
		out, err := npm.CombinedOutput()
		require.NoError(t, err, "npm %v: %s", args, out)
	}
	return dir
}
