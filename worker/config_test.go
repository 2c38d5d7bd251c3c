package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// parse returns what the arguments and the environment make of a config.
func parse(t *testing.T, args ...string) (config, error) {
	t.Helper()
	var got config
	cmd := newCommand(func(_ context.Context, c config, _, _ io.Writer) error {
		got = c
		return nil
	})
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	err := cmd.ExecuteContext(t.Context())
	return got, err
}

func TestConfigDefaults(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	t.Setenv("SLUICE_DEV_DIR", "")
	c, err := parse(t, "--dev")
	require.NoError(t, err)
	require.Equal(t, config{
		dev: true, devDir: ".sluice", logFormat: "text", logLevel: slog.LevelInfo,
		postgres: port{number: 54329}, temporal: port{number: 7233}, ui: port{number: 8233},
		http: address{hostPort: "127.0.0.1:8077"}, connections: 20,
		pollBudget: 1000, workspaceIdle: 30 * time.Second, externalConcurrency: 500, patience: time.Minute, shutdownTimeout: 20 * time.Second, auditInterval: 5 * time.Minute,
	}, c)
}

func TestConfigFromFlagsAndEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://db/sluice")
	t.Setenv("SLUICE_DEV_DIR", "/data")
	c, err := parse(t, "--temporal-port=7233", "--postgres-port", "0", "--http-address=", "--http-host=a.example,b.example", "--log-level=debug", "--external-rps=2.5", "--migrate")
	require.NoError(t, err)
	require.Equal(t, "postgres://db/sluice", c.databaseURL)
	require.Equal(t, "/data", c.devDir)
	require.Equal(t, port{number: 7233, explicit: true}, c.temporal, "asked for, although it is the default")
	require.Equal(t, port{number: 0, explicit: true}, c.postgres)
	require.Equal(t, port{number: 8233}, c.ui)
	require.Equal(t, address{explicit: true}, c.http)
	require.Equal(t, []string{"a.example", "b.example"}, c.httpHosts)
	require.Equal(t, slog.LevelDebug, c.logLevel)
	require.Equal(t, 2.5, c.externalPerSecond)
	require.True(t, c.migrate)
	require.False(t, c.withoutWorkspaces)
	c, err = parse(t, "--host-workspaces=false", "--shutdown-timeout=1h")
	require.NoError(t, err)
	require.True(t, c.withoutWorkspaces)
	require.Equal(t, time.Hour, c.shutdownTimeout)
}

func TestPrivateAddressesAreAllowedByFlagOrEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://db/sluice")
	for value, want := range map[string]bool{"": false, "true": true, "1": true, "false": false} {
		t.Setenv("SLUICE_ALLOW_PRIVATE_ADDRESSES", value)
		c, err := parse(t)
		require.NoError(t, err)
		require.Equal(t, want, c.allowPrivate, value)
		c, err = parse(t, "--allow-private-addresses")
		require.NoError(t, err)
		require.True(t, c.allowPrivate)
	}
	t.Setenv("SLUICE_ALLOW_PRIVATE_ADDRESSES", "true")
	c, err := parse(t, "--allow-private-addresses=false")
	require.NoError(t, err)
	require.False(t, c.allowPrivate, "a flag comes before the environment")
	t.Setenv("SLUICE_ALLOW_PRIVATE_ADDRESSES", "no")
	_, err = parse(t)
	require.ErrorContains(t, err, `SLUICE_ALLOW_PRIVATE_ADDRESSES must be true or false, not "no"`)
}

func TestTheSecretsDirMustBeThere(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://db/sluice")
	dir := t.TempDir()
	t.Setenv("SLUICE_SECRETS_DIR", dir)
	c, err := parse(t)
	require.NoError(t, err)
	require.Equal(t, dir, c.secretsDir)
	_, err = parse(t, "--secrets-dir", dir+"/nowhere")
	require.ErrorContains(t, err, "is no directory that can be read")
}

func TestConfigRefuses(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	for want, args := range map[string][]string{
		"no database: set DATABASE_URL":                              nil,
		"--log-format must be text or json":                          {"--dev", "--log-format=xml"},
		`--log-level must be debug, info, warn or error, not "loud"`: {"--dev", "--log-level=loud"},
		"--ui-port must be 0 to 65535, not 70000":                    {"--dev", "--ui-port=70000"},
		`--ui-url must be http://HOST or https://HOST, not "ui"`:     {"--ui-url=ui"},
		"--ui-url must be http://HOST":                               {"--ui-url=javascript://x"},
		"--ui-url goes without --dev":                                {"--dev", "--ui-url=https://ui.example"},
		"--dev-dir must not be empty":                                {"--dev", "--dev-dir="},
		"--servers-only goes with --dev":                             {"--dev", "--demo", "--servers-only"},
		"--postgres-connections must be at least 4, not 1":           {"--dev", "--postgres-connections=1"},
		"--audit-interval must be 0 or at least 30s, not 1s":         {"--dev", "--audit-interval=1s"},
		"--patience must not be negative":                            {"--dev", "--patience=-1s"},
		"--poll-budget must be at least 14, not 0":                   {"--dev", "--poll-budget=0"},
		"--poll-budget must be at least 14, not 13":                  {"--dev", "--poll-budget=13"},
		"--workspace-idle-timeout must be positive":                  {"--dev", "--workspace-idle-timeout=0"},
		"--shutdown-timeout must be positive":                        {"--dev", "--shutdown-timeout=0"},
		"--external-concurrency must be positive":                    {"--dev", "--external-concurrency=0"},
		"--external-rps must not be negative":                        {"--dev", "--external-rps=-1"},
		"the --gateway-tls flags go with --gateway":                  {"--dev", "--gateway-tls-cert=c"},
		"--demo needs workspaces hosted":                             {"--dev", "--demo", "--host-workspaces=false"},
		`unknown command "demo" for "worker"`:                        {"demo"},
		"unknown flag: --shards":                                     {"--shards=3"},
	} {
		_, err := parse(t, args...)
		require.ErrorContains(t, err, want)
	}
}

func TestLogFormats(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format string
		colour bool
		want   string
	}{
		"JSON":     {"json", true, `"level":"WARN","msg":"hello","who":"you"}`},
		"plain":    {"text", false, "WRN hello who=you\n"},
		"coloured": {"text", true, "\x1b["},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			log := newLogger(&b, c.format, slog.LevelInfo, c.colour)
			log.Debug("unheard")
			log.Warn("hello", "who", "you")
			require.Contains(t, b.String(), c.want)
			require.NotContains(t, b.String(), "unheard")
		})
	}
}

func TestSDKLinesAreForDebugging(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]int{slog.LevelInfo: 1, slog.LevelDebug: 2} {
		var b bytes.Buffer
		log := sdkLogger(newLogger(&b, "json", level, false))
		log.Info("Started Worker")
		log.Warn("Failed to poll for task.", "Error", errors.New("unavailable"))
		log.Warn("Failed to poll for task.", "Error", errors.New("worker stopping"))
		require.Equal(t, want, bytes.Count(b.Bytes(), []byte("\n")))
	}
}

func TestCallbackURLsAreChecked(t *testing.T) {
	t.Setenv("DATABASE_URL", "postgres://db/sluice")
	for url, ok := range map[string]bool{"http://10.0.0.1:8078/callback": true, "https://sluice.internal": true, "sluice:8078": false, "ftp://sluice/": false, "http://": false, "http://:8078/": false} {
		_, err := parse(t, "--callback-url="+url)
		require.Equal(t, ok, err == nil, "%s: %v", url, err)
	}
}

// With --dev the address and what Temporal calls derive from each other; otherwise nothing is listened to unless it is asked for.
func TestWhereCallbacksGo(t *testing.T) {
	silent := slog.New(slog.DiscardHandler)
	listener, url, err := listenForCallbacks(config{dev: true}, silent)
	require.NoError(t, err)
	defer listener.Close()
	require.Equal(t, "http://"+listener.Addr().String()+"/callback", url)
	other, url, err := listenForCallbacks(config{dev: true, callbacks: address{hostPort: "127.0.0.1:0", explicit: true}, callbackURL: "https://sluice/x"}, silent)
	require.NoError(t, err)
	defer other.Close()
	require.Equal(t, "https://sluice/x", url)
	for _, c := range []config{{}, {dev: true, callbacks: address{explicit: true}}} {
		none, url, err := listenForCallbacks(c, silent)
		require.NoError(t, err)
		require.Nil(t, none)
		require.Empty(t, url)
	}
}
