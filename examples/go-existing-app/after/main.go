// Command after is the application with one line more, and its two imports: each customer has as many workflows at once as its plan allows.
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

	"sluice/admit"
	"sluice/examples/go-existing-app/billing"
	"sluice/queue"
)

func main() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Getenv("DATABASE_URL"))
	check(err)
	defer pool.Close()
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and so on
	check(err)
	options.Logger = sdklog.NewStructuredLogger(slog.Default())
	admit.Install(&options, queue.New(pool), nil)
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
