// Command before is the application without Sluice: all workflows start at once.
package main

import (
	"context"
	"log"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"sluice/examples/go-existing-app/billing"
)

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	check(err)
	defer pool.Close()
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and so on
	check(err)
	options.Logger = sdklog.NewStructuredLogger(slog.Default())
	c, err := client.DialContext(ctx, options)
	check(err)
	defer c.Close()
	check(billing.Run(ctx, c, pool, os.Stdout))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
