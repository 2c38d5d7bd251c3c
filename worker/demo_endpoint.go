package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"time"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// demoEndpointAddress is where http nodes of the demo call; any free port when it is taken.
const demoEndpointAddress = "127.0.0.1:8078"

// serveDemoEndpoint serves an outside world that answers after 5 to 80 ms, until stop is called. It returns where. When no
// demo is to run, it is there for the executions of an earlier one, and only on the address that they know.
func serveDemoEndpoint(demo bool, log *slog.Logger) (at netip.AddrPort, stop func(), err error) {
	listener, err := listen(address{hostPort: demoEndpointAddress, explicit: !demo}, "the demo's endpoint", log)
	if err != nil && !demo {
		return at, func() {}, nil
	}
	if err != nil {
		return at, nil, err
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
	at, err = netip.ParseAddrPort(listener.Addr().String())
	return at, func() { _ = server.Close() }, err
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
