// Package billing is an application on Temporal as there are many: a workflow, an activity, a worker, and what starts the workflows.
// It knows nothing of Sluice.
package billing

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const taskQueue = "invoices"

// Order is what an invoice is for.
type Order struct {
	Number   int64
	Customer string
}

// SendInvoice is the workflow.
func SendInvoice(ctx workflow.Context, o Order) (receipt string, err error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	err = workflow.ExecuteActivity(ctx, Mail, o).Get(ctx, &receipt)
	return receipt, err
}

// Mail stands for a call of a mail service, which takes a moment.
func Mail(ctx context.Context, o Order) (receipt string, err error) {
	select {
	case <-time.After(200 * time.Millisecond):
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return fmt.Sprintf("invoice %d for %s", o.Number, o.Customer), nil
}

// Run writes orders of two customers, has an invoice sent for each, and prints the receipts. It hosts the worker too.
func Run(ctx context.Context, c client.Client, pool *pgxpool.Pool, out io.Writer) error {
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflow(SendInvoice)
	w.RegisterActivity(Mail)
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Stop()
	if _, err := pool.Exec(ctx, `CREATE TABLE IF NOT EXISTS billing_orders (number bigint GENERATED ALWAYS AS IDENTITY, customer text)`); err != nil {
		return err
	}
	var runs []client.WorkflowRun
	for range 6 {
		for _, customer := range []string{"acme", "globex"} {
			run, err := order(ctx, c, pool, customer)
			if err != nil {
				return err
			}
			runs = append(runs, run)
		}
	}
	for _, run := range runs {
		var receipt string
		if err := run.Get(ctx, &receipt); err != nil {
			return err
		}
		fmt.Fprintln(out, receipt)
	}
	return nil
}

// order writes an order and starts its workflow. The fairness key is the customer, as Temporal's fairness wants it.
func order(ctx context.Context, c client.Client, pool *pgxpool.Pool, customer string) (client.WorkflowRun, error) {
	o := Order{Customer: customer}
	if err := pool.QueryRow(ctx, `INSERT INTO billing_orders (customer) VALUES ($1) RETURNING number`, customer).Scan(&o.Number); err != nil {
		return nil, err
	}
	return c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: fmt.Sprint("invoice-", o.Number), TaskQueue: taskQueue, Priority: temporal.Priority{FairnessKey: customer},
	}, SendInvoice, o)
}
