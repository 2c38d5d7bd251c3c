package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// demoEndpointAddress is where http nodes of the demo call; any free port when it is taken.
const demoEndpointAddress = "127.0.0.1:8078"

// serveDemoEndpoint serves an outside world that answers after 5 to 80 ms, until ctx ends. It returns its URL.
func serveDemoEndpoint(ctx context.Context, log *slog.Logger) (string, error) {
	listener, err := listen(address{hostPort: demoEndpointAddress}, "the demo's endpoint", log)
	if err != nil {
		return "", err
	}
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(time.Duration(5+rand.IntN(75)) * time.Millisecond):
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"path": r.URL.Path, "status": "ok"}) // the caller is gone
	})}
	go func() { _ = server.Serve(listener) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return fmt.Sprintf("http://%s", listener.Addr()), nil
}

// demoInvoiceType is the workflow type that the demo adds to the workspace workers, as users of worker/host would.
const demoInvoiceType = "DemoInvoiceRun"

func registerDemoWorkflows(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(demoInvoiceRun, workflow.RegisterOptions{Name: demoInvoiceType})
}

// demoInvoiceRun is an ordinary Temporal workflow; that Sluice started it as a child is nothing it has to know.
func demoInvoiceRun(ctx workflow.Context, input struct {
	Customer string `json:"customer"`
	Number   int    `json:"number"`
}) (string, error) {
	for range 2 {
		if err := workflow.Sleep(ctx, 400*time.Millisecond); err != nil {
			return "", err
		}
	}
	return fmt.Sprintf("invoice %d sent to %s", input.Number, input.Customer), nil
}
