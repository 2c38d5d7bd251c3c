package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The demo's application: a workflow type of its own, with a worker of its own that knows nothing of Sluice.
const (
	demoOrderType = "DemoOrder"
	demoOrders    = "demo.orders" // its task queue, for the orders of all workspaces
)

// demoOrder is what an application passes to its workflow.
type demoOrder struct {
	Customer string
	Number   int
}

// serveDemoApplication runs the application's worker until stop is called.
func serveDemoApplication(temporal client.Client) (stop func(), err error) {
	w := worker.New(temporal, demoOrders, worker.Options{})
	w.RegisterWorkflowWithOptions(demoFulfil, workflow.RegisterOptions{Name: demoOrderType})
	w.RegisterActivityWithOptions(demoCharge, activity.RegisterOptions{Name: "DemoCharge"})
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("start the demo's application: %w", err)
	}
	return w.Stop, nil
}

func demoFulfil(ctx workflow.Context, order demoOrder) (receipt string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	if err := workflow.ExecuteActivity(ctx, "DemoCharge", order).Get(ctx, &receipt); err != nil {
		return "", err
	}
	return receipt, workflow.Sleep(ctx, 800*time.Millisecond) // until it is delivered
}

func demoCharge(ctx context.Context, order demoOrder) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(time.Duration(5+rand.IntN(75)) * time.Millisecond):
		return fmt.Sprintf("receipt %d for %s", order.Number, order.Customer), nil
	}
}
