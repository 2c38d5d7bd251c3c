package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"sluice/internal/devstack"
	"sluice/workflows"
)

// startStack brings PostgreSQL and Temporal up. It may take minutes the first time, when binaries have to be fetched.
func startStack(ctx context.Context, c config, log *slog.Logger) (*devstack.Stack, error) {
	if c.databaseURL != "" {
		log.Warn("--dev brings its own database: DATABASE_URL is not used")
	}
	stack, err := devstack.Start(ctx, devstack.Config{
		Dir:              c.devDir,
		PostgresPort:     c.postgres.choose("--postgres-port", log),
		TemporalPort:     c.temporal.choose("--temporal-port", log),
		UIPort:           c.ui.choose("--ui-port", log),
		SearchAttributes: workflows.SearchAttributeTypes(),
		Progress:         func(format string, args ...any) { log.Info(fmt.Sprintf(format, args...)) },
	})
	if err != nil {
		return nil, fmt.Errorf("start the dev stack: %w", err)
	}
	return stack, nil
}

// choose returns the port to ask the stack for: 0, any free one, instead of a default that is taken. A port that was
// asked for is passed on; if it is taken, the stack says so.
func (p port) choose(flag string, log *slog.Logger) int {
	if p.explicit || p.number == 0 {
		return p.number
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.number)))
	if errors.Is(err, syscall.EADDRINUSE) {
		log.Warn("the default port is in use, taking a free one", "flag", flag, "default", p.number)
		return 0
	}
	if err == nil {
		_ = listener.Close()
	}
	return p.number
}
