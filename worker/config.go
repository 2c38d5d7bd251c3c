package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/gateway"
	"sluice/worker/host"
)

// config is everything the worker can be told; only newCommand reads flags and environment.
type config struct {
	dev, demo, migrate     bool
	serversOnly            bool
	withoutWorkspaces      bool
	shutdownTimeout        time.Duration
	devDir                 string
	postgres, temporal, ui port
	http                   address
	httpHosts              []string
	uiURL                  string
	callbackURL            string
	callbacks              address
	databaseURL            string
	connections            int32
	logFormat              string
	logLevel               slog.Level
	pollBudget             int
	workspaceIdle          time.Duration
	externalConcurrency    int
	externalPerSecond      float64
	patience               time.Duration
	auditInterval          time.Duration
	allowPrivate           bool
	secretsDir             string
	gateway                string
	gatewayTLS             gateway.TLS
}

// port is a port of the dev stack. One that was asked for must be free; a default gives way to a free one.
type port struct {
	number   int
	explicit bool
}

// address is the same for host:port; empty means none.
type address struct {
	hostPort string
	explicit bool
}

// Defaults of the flags.
const (
	defaultPostgresPort = 54329
	defaultTemporalPort = 7233
	defaultUIPort       = 8233
	defaultHTTPAddress  = "127.0.0.1:8077"
	// devCallbackAddress is where --dev takes callbacks unless it is told otherwise.
	devCallbackAddress = "127.0.0.1:8079"
	defaultDevDir      = ".sluice"
	defaultPatience    = time.Minute
	defaultConnections = 20
	// defaultAuditInterval: an alert within minutes for some 0.3 s of Postgres, where 30,000 executions end in a quarter of an hour.
	defaultAuditInterval = 5 * time.Minute
	// leastAuditInterval: an audit takes a grace of 10 s where something looks wrong.
	leastAuditInterval = 30 * time.Second
)

const description = `Run Sluice's worker: the dispatcher, the external-API activities and the executions of every workspace.

With --dev it brings its own PostgreSQL and Temporal and keeps their data in --dev-dir. Without it, DATABASE_URL names
the database and Temporal's environment configuration (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY,
TEMPORAL_TLS_..., TEMPORAL_PROFILE) the server.`

// newCommand parses the command line into a config and hands it to run.
func newCommand(run func(ctx context.Context, c config, stdout, stderr io.Writer) error) *cobra.Command {
	c := config{databaseURL: os.Getenv("DATABASE_URL")}
	var level string
	allowPrivate, badAllow := envBool("SLUICE_ALLOW_PRIVATE_ADDRESSES")
	var hostWorkspaces bool
	cmd := &cobra.Command{
		Use: "worker", Short: "Run Sluice's worker", Long: description,
		Example:       "  worker --dev --demo\n  DATABASE_URL=postgres://sluice@db/sluice TEMPORAL_ADDRESS=temporal:7233 worker --migrate",
		Args:          cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.postgres.explicit = cmd.Flags().Changed("postgres-port")
			c.temporal.explicit = cmd.Flags().Changed("temporal-port")
			c.ui.explicit = cmd.Flags().Changed("ui-port")
			c.http.explicit = cmd.Flags().Changed("http-address")
			c.callbacks.explicit = cmd.Flags().Changed("callback-address")
			if badAllow != nil {
				return badAllow
			}
			if err := c.logLevel.UnmarshalText([]byte(level)); err != nil {
				return fmt.Errorf("--log-level must be debug, info, warn or error, not %q", level)
			}
			c.withoutWorkspaces = !hostWorkspaces
			if err := c.validate(); err != nil {
				return err
			}
			return run(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&c.dev, "dev", false, "bring PostgreSQL and Temporal along, and start the dispatcher")
	f.BoolVar(&c.serversOnly, "servers-only", false, "with --dev: bring the servers along and start the dispatcher, and leave all work to workers of your own")
	f.BoolVar(&hostWorkspaces, "host-workspaces", true, "false leaves the executions of workspaces to programs of your own with package worker/host, and runs the rest")
	f.DurationVar(&c.shutdownTimeout, "shutdown-timeout", host.DefaultShutdownTimeout, "how long the worker goes on after SIGTERM, half of it for the tasks of workspaces")
	f.BoolVar(&c.demo, "demo", false, "start the dispatcher and a workload that shows every plan at work")
	f.StringVar(&c.devDir, "dev-dir", envOr("SLUICE_DEV_DIR", defaultDevDir), "data of --dev, kept between runs (SLUICE_DEV_DIR)")
	f.IntVar(&c.postgres.number, "postgres-port", defaultPostgresPort, "port of --dev's PostgreSQL; 0 for any")
	f.IntVar(&c.temporal.number, "temporal-port", defaultTemporalPort, "port of --dev's Temporal; 0 for any")
	f.IntVar(&c.ui.number, "ui-port", defaultUIPort, "port of --dev's Web UI; 0 for any")
	f.StringVar(&c.logFormat, "log-format", "text", "text or json")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&c.http.hostPort, "http-address", defaultHTTPAddress, "where the HTTP API, the dashboard, /healthz, /readyz and /metrics answer; empty for nowhere. Beyond loopback the API wants tokens")
	f.StringSliceVar(&c.httpHosts, "http-host", nil, "the `names` by which others reach --http-address, separated by commas; the API refuses requests to other ones, and /metrics those to other names")
	f.StringVar(&c.uiURL, "ui-url", "", "where Temporal's Web UI is, `http(s)://HOST`, for the links of the dashboard; --dev has one of its own")
	f.StringVar(&c.callbackURL, "callback-url", "", "what Temporal calls when a workflow has ended, `http(s)://HOST:PORT/PATH` that leads to the --callback-address of workers; the server must allow it. Without: ends are learnt within a second or two. --dev has one of its own")
	f.StringVar(&c.callbacks.hostPort, "callback-address", "", "where this worker takes callbacks; empty for nowhere, with --dev "+devCallbackAddress+" or the port of --callback-url")
	f.IntVar(&c.pollBudget, "poll-budget", host.DefaultPollBudget, "long polls at once; all workers of a namespace together stay below the server's frontend.namespaceCount (1200)")
	f.DurationVar(&c.workspaceIdle, "workspace-idle-timeout", host.DefaultIdleTimeout, "how long a workspace's worker stays without work")
	f.IntVar(&c.externalConcurrency, "external-concurrency", host.DefaultExternalConcurrency, "calls of http nodes at once in this process; a workspace alone may have a fifth")
	f.Float64Var(&c.externalPerSecond, "external-rps", 0, "calls of http nodes per second in all processes together; 0 for no limit")
	f.BoolVar(&c.allowPrivate, "allow-private-addresses", allowPrivate, "let http nodes reach every address, also loopback and private ones (SLUICE_ALLOW_PRIVATE_ADDRESSES=true)")
	f.StringVar(&c.secretsDir, "secrets-dir", os.Getenv("SLUICE_SECRETS_DIR"), "where the secrets of http nodes are, each in `DIR`/<workspace id>/NAME (SLUICE_SECRETS_DIR)")
	f.StringVar(&c.gateway, "gateway", "", "where Temporal clients in any language have their starts admitted, such as `127.0.0.1:7234`; they use it as the server's address")
	f.StringVar(&c.gatewayTLS.Cert, "gateway-tls-cert", "", "certificate of --gateway, a `FILE`")
	f.StringVar(&c.gatewayTLS.Key, "gateway-tls-key", "", "its key, a `FILE`")
	f.StringVar(&c.gatewayTLS.ClientCA, "gateway-tls-client-ca", "", "the authority whose certificates the callers of --gateway must show, a `FILE`")
	f.BoolVar(&c.migrate, "migrate", false, "bring the database schema up to date first (--dev always does)")
	f.DurationVar(&c.patience, "patience", defaultPatience, "how long to wait for servers that are down at start")
	f.DurationVar(&c.auditInterval, "audit-interval", defaultAuditInterval, "how often one of all workers audits the recent past, for /metrics; 0 for never")
	f.Int32Var(&c.connections, "postgres-connections", defaultConnections, "database connections at most")
	return cmd
}

// validate returns everything that is wrong, joined.
func (c config) validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(c.dev || c.databaseURL != "", "no database: set DATABASE_URL to postgres://user:password@host:5432/database, or run with --dev")
	check(!c.serversOnly || c.dev && !c.demo, "--servers-only goes with --dev, and not with --demo")
	check(!c.withoutWorkspaces || !c.demo, "--demo needs workspaces hosted: leave out --host-workspaces=false")
	check(!c.dev || c.devDir != "", "--dev-dir must not be empty")
	check(slices.Contains([]string{"text", "json"}, c.logFormat), "--log-format must be text or json, not %q", c.logFormat)
	for flag, p := range map[string]port{"--postgres-port": c.postgres, "--temporal-port": c.temporal, "--ui-port": c.ui} {
		check(p.number >= 0 && p.number <= 65535, "%s must be 0 to 65535, not %d", flag, p.number)
	}
	if c.secretsDir != "" {
		info, err := os.Stat(c.secretsDir)
		check(err == nil && info.IsDir(), "--secrets-dir %s is no directory that can be read", c.secretsDir)
	}
	check(c.pollBudget >= host.LeastPollBudget, "--poll-budget must be at least %d, not %d", host.LeastPollBudget, c.pollBudget)
	check(c.callbackURL == "" || host.IsCallbackURL(c.callbackURL), "--callback-url must be http://HOST:PORT/PATH or https://, not %q", c.callbackURL)
	check(c.uiURL == "" || isWebAddress(c.uiURL), "--ui-url must be http://HOST or https://HOST, not %q", c.uiURL)
	check(c.uiURL == "" || !c.dev, "--ui-url goes without --dev, which has a Web UI of its own")
	check(c.workspaceIdle > 0, "--workspace-idle-timeout must be positive, not %s", c.workspaceIdle)
	check(c.shutdownTimeout > 0, "--shutdown-timeout must be positive, not %s", c.shutdownTimeout)
	check(c.gateway != "" || c.gatewayTLS == gateway.TLS{}, "the --gateway-tls flags go with --gateway")
	check(c.externalConcurrency > 0, "--external-concurrency must be positive, not %d", c.externalConcurrency)
	check(c.externalPerSecond >= 0, "--external-rps must not be negative, got %g", c.externalPerSecond)
	check(c.patience >= 0, "--patience must not be negative, got %s", c.patience)
	check(c.auditInterval == 0 || c.auditInterval >= leastAuditInterval, "--audit-interval must be 0 or at least %s, not %s", leastAuditInterval, c.auditInterval)
	// The dispatcher holds one connection while it waits and the audit one, so that two alone would deadlock.
	check(c.connections >= 4, "--postgres-connections must be at least 4, not %d", c.connections)
	return errors.Join(problems...)
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// envBool is false where the variable is not set. A value that is neither true nor false is an error: it may have been meant
// to refuse something.
func envBool(name string) (bool, error) {
	value := os.Getenv(name)
	if value == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s must be true or false, not %q", name, value)
	}
	return on, nil
}

func envOr(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
