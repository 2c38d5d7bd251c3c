package host_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"sluice/worker/host"
)

// SendInvoice is a workflow type of the application. A node of type "workflow" names it in a definition.
func SendInvoice(ctx workflow.Context, invoice struct{ Number int }) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var sent string
	err := workflow.ExecuteActivity(ctx, Mail, invoice.Number).Get(ctx, &sent)
	return sent, err
}

// Mail is an activity of the application.
func Mail(_ context.Context, number int) (string, error) {
	return fmt.Sprintf("invoice %d is on its way", number), nil
}

// A worker process with workflows and activities of its own. It does all that Sluice's worker does, and runs beside other
// such processes.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, ...
	if err != nil {
		log.Fatal(err)
	}
	polls := host.NewPolls() // before the client is dialed
	polls.Install(&options)
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		log.Fatal(err)
	}
	defer temporal.Close()
	pool, err := host.OpenPool(ctx, os.Getenv("DATABASE_URL"), 20)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	h, err := host.New(host.Config{
		Client: temporal, Pool: pool, Polls: polls,
		RegisterWorkflows:  func(r worker.WorkflowRegistry) { r.RegisterWorkflow(SendInvoice) },
		RegisterActivities: func(r worker.ActivityRegistry) { r.RegisterActivity(Mail) },
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := h.Run(ctx); err != nil { // until a signal comes and all is finished
		log.Fatal(err)
	}
}

// Two processes that share a namespace share the polls that its server allows, so each host gets a part of them. The rate
// of external-API activities holds for both together.
func ExampleConfig() {
	_, err := host.New(host.Config{PollBudget: 500, ExternalTaskQueuePerSecond: 20})
	fmt.Println(err)
	// Output:
	// invalid host configuration: client is missing
	// pool is missing
}

// A readiness probe and a gauge, as an orchestrator wants them.
func ExampleHost_Ready() {
	var h *host.Host // from New
	http.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := h.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		stats := h.Stats()
		_, _ = fmt.Fprintf(w, "%d of %d workspaces hosted, %d wait\n", stats.Hosted, stats.Limit, stats.Waiting)
	})
}
