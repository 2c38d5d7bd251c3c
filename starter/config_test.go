package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/devstack"
)

func TestWhereThingsAre(t *testing.T) {
	t.Parallel()
	profile := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(profile, []byte("[profile.default]\naddress = \"profile:7233\"\nnamespace = \"from-profile\"\n"), 0o600))
	for name, c := range map[string]struct {
		flags                        flags
		env                          environment
		database, address, namespace string
	}{
		"nothing":              {address: "localhost:7233", namespace: "default"},
		"environment":          {env: environment{"DATABASE_URL": "postgres://env", "TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env"}, database: "postgres://env", address: "env:1", namespace: "env"},
		"profile":              {env: environment{"TEMPORAL_CONFIG_FILE": profile}, address: "profile:7233", namespace: "from-profile"},
		"environment wins":     {env: environment{"TEMPORAL_CONFIG_FILE": profile, "TEMPORAL_NAMESPACE": "env"}, address: "profile:7233", namespace: "env"},
		"flags win":            {flags: flags{databaseURL: "postgres://flag", address: "flag:1", namespace: "flag"}, env: environment{"DATABASE_URL": "postgres://env", "TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env"}, database: "postgres://flag", address: "flag:1", namespace: "flag"},
		"flag and environment": {flags: flags{namespace: "flag"}, env: environment{"TEMPORAL_ADDRESS": "env:1"}, address: "env:1", namespace: "flag"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := newCLI(t).env
			for name, value := range c.env {
				env[name] = value
			}
			got, err := loadConfig(c.flags, env, "ann")
			require.NoError(t, err)
			require.Equal(t, c.database, got.DatabaseURL)
			require.Equal(t, c.address, got.Temporal.HostPort)
			require.Equal(t, c.namespace, got.Temporal.Namespace)
			require.Equal(t, "starter:ann", got.Actor)
			require.Empty(t, got.UIURL)
		})
	}
}

func TestDevStackIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stack, err := devstack.Start(t.Context(), devstack.Config{Dir: dir, InMemory: true, Headless: true, Progress: t.Logf})
	require.NoError(t, err)
	defer func() { _ = stack.Close() }()
	c := newCLI(t)
	c.env["SLUICE_DEV_DIR"] = dir
	c.env["TEMPORAL_API_KEY"] = "for another server"
	c.ok("migrate")
	out := c.run("status", "--json")
	require.Equal(t, exitNotRunning, out.code, out.stderr)
	require.Contains(t, out.stdout, "the dispatcher is not running")

	delete(c.env, "SLUICE_DEV_DIR")
	c.ok("workspace", "list", "--dev-dir", dir)

	require.NoError(t, stack.Close())
	out = c.run("workspace", "list", "--dev-dir", dir)
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "none is running there now")
}

func TestNoDatabaseNamesAllThreeWays(t *testing.T) {
	t.Parallel()
	out := newCLI(t).run("list")
	require.Equal(t, exitUsage, out.code)
	for _, way := range []string{"--database-url", "DATABASE_URL", "--dev", "--dev-dir"} {
		require.Contains(t, out.stderr, way)
	}
}

func TestBrokenTemporalConfiguration(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.env["TEMPORAL_PROFILE"] = "nowhere"
	out := c.run("status")
	require.Equal(t, exitUsage, out.code)
	require.Contains(t, out.stderr, "profile nowhere")
}
