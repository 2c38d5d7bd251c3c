package main

import (
	"context"
	"fmt"
	"log/slog"

	"sluice/internal/operate"
)

// keepServers starts the dispatcher and keeps the servers until ctx ends. It takes no task, so that a worker with workflow types
// of its own gets all of them: of the tasks on one task queue any worker takes any, also of types that it does not know.
func keepServers(ctx context.Context, s *servers, h *health, screen *screen, log *slog.Logger) error {
	missing := func(ctx context.Context) map[string]string { return checkAll(ctx, s.checks()) }
	h.missing.Store(&missing)
	all, err := operate.StartAll(ctx, s.temporal, s.namespace, s.pool, operate.StartOptions{Actor: "worker"})
	if err != nil {
		return fmt.Errorf("start the dispatcher: %w", err)
	}
	for _, started := range all.Dispatchers {
		log.Info("dispatcher waits for a worker", "workflow", started.WorkflowID, "run", started.RunID, "foundRunning", started.AlreadyRunning)
	}
	screen.printf("ready\n")
	select {
	case <-ctx.Done():
		return nil
	case <-s.died():
		return fmt.Errorf("the dev stack has died: %w", s.stack.Err())
	}
}
