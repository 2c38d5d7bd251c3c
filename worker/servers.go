package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/connect"
	"sluice/internal/devstack"
	"sluice/internal/pairing"
	"sluice/internal/store"
	"sluice/schema"
	"sluice/worker/host"
)

// servers are the Postgres and the Temporal that the worker uses, its own or others'.
type servers struct {
	pool            *pgxpool.Pool
	temporal        client.Client
	polls           *host.Polls // nil with our own server: then there is no other worker to take tasks over
	databaseURL     string      // with its password
	postgresURL     string      // for people: without the password of a server that is not our own
	temporalAddress string
	namespace       string
	upstream        client.Options  // how the gateway finds Temporal, and whether that asks for credentials
	uiURL           string          // empty when not known
	stack           *devstack.Stack // nil when the servers are others'
}

// openServers returns both servers, ready for use: connected, migrated or checked, with the schema this build needs.
func openServers(ctx context.Context, c config, counts client.MetricsHandler, log *slog.Logger) (*servers, error) {
	s := &servers{uiURL: strings.TrimSuffix(c.uiURL, "/")}
	options, databaseURL := client.Options{}, c.databaseURL
	if c.dev {
		stack, err := startStack(ctx, c, log)
		if err != nil {
			return nil, err
		}
		s.stack, s.uiURL = stack, stack.UIURL
		databaseURL, s.postgresURL = stack.DatabaseURL, stack.DatabaseURL
		options.HostPort, options.Namespace = stack.TemporalAddress, stack.Namespace
	} else {
		var err error
		if options, err = connect.TemporalOptions(nil, nil); err != nil {
			return nil, fmt.Errorf("read Temporal's environment configuration (TEMPORAL_* and its file): %w", err)
		}
	}
	s.upstream = options
	options.MetricsHandler = counts
	host.Install(&options)
	if !c.dev {
		s.polls = host.NewPolls()
		s.polls.Install(&options)
	}
	if err := s.connect(ctx, c, databaseURL, options, log); err != nil {
		s.close(log)
		return nil, err
	}
	return s, nil
}

func (s *servers) connect(ctx context.Context, c config, databaseURL string, options client.Options, log *slog.Logger) (err error) {
	wait := connect.Wait{Patience: c.patience, Notify: func(message string) { log.Warn(message) }}
	s.databaseURL = databaseURL
	s.pool, err = connect.Postgres(ctx, databaseURL, wait, func(ctx context.Context, url string) (*pgxpool.Pool, error) {
		return store.Open(ctx, url, c.connections)
	})
	if err != nil {
		return err
	}
	if s.postgresURL == "" {
		s.postgresURL = withoutPassword(s.pool.Config().ConnConfig)
	}
	if c.dev || c.migrate {
		applied, err := schema.MigrateNotifying(ctx, databaseURL, wait.Notify)
		if err != nil {
			return err
		}
		if len(applied) > 0 {
			log.Info("database schema migrated", "versions", applied)
		}
	} else if err := schema.Check(ctx, s.pool); errors.Is(err, schema.ErrNotMigrated) {
		return fmt.Errorf("%w; or run the worker with --migrate", err)
	} else if err != nil {
		return err
	}
	if err := schema.CheckWorker(ctx, s.pool); err != nil {
		return err
	}
	options.Logger = sdkLogger(log)
	s.temporal, err = connect.Temporal(ctx, options, wait)
	s.temporalAddress, s.namespace = options.HostPort, options.Namespace
	if s.temporalAddress == "" {
		s.temporalAddress = client.DefaultHostPort
	}
	if s.namespace == "" {
		s.namespace = client.DefaultNamespace
	}
	if err == nil {
		_, err = pairing.Verify(ctx, s.temporal, s.namespace, s.pool)
	}
	return err
}

// withoutPassword makes a URL of whatever form the configuration had. The directory of a socket is no host of a URL.
func withoutPassword(c *pgx.ConnConfig) string {
	port := strconv.Itoa(int(c.Port))
	u := url.URL{Scheme: "postgres", User: url.User(c.User), Host: net.JoinHostPort(c.Host, port), Path: "/" + c.Database}
	if network, _ := pgconn.NetworkAddress(c.Host, c.Port); network == "unix" {
		u.Host, u.RawQuery = "", url.Values{"host": {c.Host}, "port": {port}}.Encode()
	}
	if c.Password != "" {
		u.User = url.UserPassword(c.User, "xxxxx")
	}
	return u.String()
}

// checks are what /readyz asks of the servers.
func (s *servers) checks() map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"postgres": func(ctx context.Context) error { return connect.Reason(s.pool.Ping(ctx)) },
		"temporal": func(ctx context.Context) error { // a server whose database is away answers its health check, and nothing that reads
			_, err := s.temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
			return connect.Reason(err)
		},
	}
}

// died is closed when a server of our own has died.
func (s *servers) died() <-chan struct{} {
	if s.stack == nil {
		return nil
	}
	return s.stack.Done()
}

// close closes the connections, then stops what is our own.
func (s *servers) close(log *slog.Logger) {
	if s.temporal != nil {
		s.temporal.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.stack == nil {
		return
	}
	log.Info("stopping Temporal and PostgreSQL")
	if err := s.stack.Close(); err != nil {
		log.Error("cannot stop the dev stack", "error", err)
	}
}
