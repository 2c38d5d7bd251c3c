package host

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"sluice/internal/pairing"
	"sluice/internal/recovery"
	"sluice/internal/store/catalog"
)

// Watch is for a program that runs workers of its own and no Host: what they close of the workflows of items gives its slot back at once,
// as in a program with a Host. The options of the client have been given to Install; the pool is like a host's. It goes on until stop is
// called, before the pool is closed.
func Watch(ctx context.Context, c client.Client, pool *pgxpool.Pool) (stop func(), err error) {
	tap := tapOf(ctx, c)
	if tap == nil {
		return nil, errors.New("watch workers: give the client's options to host.Install before it is dialed")
	}
	if err := pairing.Check(ctx, c, pool); err != nil {
		return nil, err
	}
	installation, err := catalog.ReadInstallation(ctx, pool)
	if err != nil {
		return nil, err
	}
	hints := recovery.NewHints(recovery.New(recovery.Config{DB: pool, Client: c,
		Namespace: func(context.Context) string { return installation.Namespace }}))
	deaf := tap.listen(func(namespace, workflowID, runID string, closed *historypb.HistoryEvent) {
		if namespace == installation.Namespace {
			hints.Hear(recovery.Hint{WorkflowID: workflowID, RunID: runID, By: recovery.ByWorker, Closed: closed})
		}
	})
	return func() {
		deaf()
		hints.Close()
	}, nil
}
