package admit_test

import (
	"context"
	"log"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"sluice/admit"
	"sluice/queue"
)

// An application that starts workflows as before. The line with admit.Install is new.
func Example() {
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, "postgres://shop@db/shop")
	if err != nil {
		log.Fatal(err)
	}
	options := client.Options{HostPort: "temporal:7233"}
	admit.Install(&options, queue.New(pool), nil)
	c, err := client.Dial(options)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "invoice-4711", TaskQueue: "invoices", Priority: temporal.Priority{FairnessKey: "acme"},
	}, "SendInvoice", 4711)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("waits as item", run.GetRunID())
	if err := run.Get(ctx, nil); err != nil {
		log.Fatal(err)
	}
}
