package main

import (
	"context"
	"time"

	"sluice/internal/chaos/cluster"
	"sluice/internal/chaos/plan"
)

func (c *chaos) killTemporal(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partTemporal, c.cluster.Temporal, c.cluster.Temporal.Kill)
}

func (c *chaos) killPostgres(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partPostgres, c.cluster.Postgres, c.cluster.Postgres.Kill)
}

func (c *chaos) stopPostgres(ctx context.Context, f plan.Fault) (aftermath, error) {
	return c.restart(ctx, f, partPostgres, c.cluster.Postgres, c.cluster.Postgres.Stop)
}

// restart takes a server away for a while and measures from the moment it answers again.
func (c *chaos) restart(ctx context.Context, f plan.Fault, part string, server *cluster.Server, takeAway func() error) (aftermath, error) {
	release, err := c.claims.take(ctx, part)
	if err != nil {
		return aftermath{}, err
	}
	defer release()
	heal := c.weather.Breaks(f.Number)
	defer heal()
	if err := takeAway(); err != nil {
		return aftermath{}, err
	}
	_ = cluster.Sleep(ctx, f.For)
	if err := server.Start(ctx); err != nil {
		c.violated(promiseLives, part, "%v", err)
		return aftermath{}, err
	}
	return aftermath{target: part, since: time.Now()}, nil
}
