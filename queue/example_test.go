package queue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"sluice/queue"
)

// What an application has anyway: a pool, and ids that it got when it created the workspace and applied the definition.
var (
	pool         *pgxpool.Pool
	workspaceID  uuid.UUID
	definitionID uuid.UUID
	itemID       uuid.UUID
)

// A workflow of the application's own, in one transaction with the order. The invoices' own workers run it.
func ExampleClient_EnqueueWorkflowTx() {
	ctx := context.Background()
	q := queue.New(pool, queue.WithClientOptions(client.Options{})) // those with which the application dials its Temporal client
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var order int
		if err := tx.QueryRow(ctx, `INSERT INTO orders (customer) VALUES ('ann') RETURNING id`).Scan(&order); err != nil {
			return err
		}
		answer, err := q.EnqueueWorkflowTx(ctx, tx, queue.Item{WorkspaceID: workspaceID},
			client.StartWorkflowOptions{ID: fmt.Sprint("invoice-", order), TaskQueue: "invoices"}, "SendInvoice", order)
		if err != nil {
			return err
		}
		fmt.Println(answer.QueueID, answer.Status, answer.WorkflowID)
		return nil
	})
	if err != nil {
		panic(err)
	}
}

func ExampleClient_EnqueueWorkflow() {
	q := queue.New(pool, queue.WithClientOptions(client.Options{}))
	answer, err := q.EnqueueWorkflow(context.Background(), queue.Item{WorkspaceID: workspaceID, Priority: 1},
		client.StartWorkflowOptions{TaskQueue: "invoices", WorkflowExecutionTimeout: time.Hour}, "SendInvoice", 4711)
	if err != nil {
		panic(err)
	}
	fmt.Println(answer.QueueID, answer.Status, answer.WorkflowID)
}

func ExampleClient_Enqueue() {
	q := queue.New(pool)
	answer, err := q.Enqueue(context.Background(), queue.Item{
		WorkspaceID:  workspaceID,
		DefinitionID: definitionID,
		Input:        json.RawMessage(`{"order": 4711}`),
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(answer.QueueID, answer.Status)
}

// A request that may come twice carries a key. The second answer is the first item, and what has become of it. A day after
// it has ended, the same key enqueues another item.
func ExampleClient_Enqueue_uniqueKey() {
	q := queue.New(pool)
	answer, err := q.Enqueue(context.Background(), queue.Item{
		WorkspaceID:  workspaceID,
		DefinitionID: definitionID,
		UniqueKey:    "order-4711",
		UniqueFor:    24 * time.Hour,
	})
	switch {
	case errors.Is(err, queue.ErrInvalid), errors.Is(err, queue.ErrUnknownDefinition):
		fmt.Println("not worth another attempt:", err)
	case err != nil:
		panic(err)
	default:
		fmt.Println(answer.QueueID, answer.Status)
	}
}

// The order and its item are committed together, or neither is.
func ExampleClient_EnqueueTx() {
	ctx := context.Background()
	q := queue.New(pool)
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		var order int
		if err := tx.QueryRow(ctx, `INSERT INTO orders (customer) VALUES ('ann') RETURNING id`).Scan(&order); err != nil {
			return err
		}
		_, err := q.EnqueueTx(ctx, tx, queue.Item{
			WorkspaceID:  workspaceID,
			DefinitionID: definitionID,
			Input:        fmt.Appendf(nil, `{"order": %d}`, order),
		})
		return err
	})
	if err != nil {
		panic(err)
	}
}

func ExampleClient_EnqueueMany() {
	q := queue.New(pool)
	var items []queue.Item
	for order := range 1000 {
		items = append(items, queue.Item{
			WorkspaceID:  workspaceID,
			DefinitionID: definitionID,
			Input:        fmt.Appendf(nil, `{"order": %d}`, order),
			Priority:     5, // after what comes one by one
		})
	}
	answers, err := q.EnqueueMany(context.Background(), items)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(answers), "items are in the queue")
}

func ExampleClient_List() {
	q := queue.New(pool)
	states, err := q.List(context.Background(), queue.Filter{WorkspaceID: workspaceID, Status: "PENDING", Limit: 10})
	if err != nil {
		panic(err)
	}
	for _, s := range states {
		fmt.Println(s.ID, "waits since", s.AvailableAt)
	}
}

func ExampleClient_Cancel() {
	q := queue.New(pool)
	status, err := q.Cancel(context.Background(), itemID, "ann", "the order was withdrawn")
	if err != nil {
		panic(err)
	}
	if status != "CANCELLED" {
		fmt.Println("too late: cancel the workflow execution-"+itemID.String(), "in Temporal")
	}
}

func ExampleClient_Wait() {
	q := queue.New(pool)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	state, err := q.Wait(ctx, itemID)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("still", state.Status)
	case err != nil:
		panic(err)
	case state.ExecutionID == nil:
		fmt.Println("it ended without an execution:", *state.Error)
	default:
		fmt.Println(*state.ExecutionStatus, string(state.Output))
	}
}

// The examples do what they say.
func TestExamples(t *testing.T) {
	b := setup(t)
	b.exec(t, `CREATE TABLE orders (id serial PRIMARY KEY, customer text)`)
	pool, workspaceID, definitionID = b.pool, b.workspace, b.definition
	itemID = b.enqueue(t, b.item())
	ExampleClient_EnqueueWorkflowTx()
	ExampleClient_EnqueueWorkflow()
	ExampleClient_Enqueue()
	ExampleClient_Enqueue_uniqueKey()
	ExampleClient_Enqueue_uniqueKey()
	ExampleClient_EnqueueTx()
	ExampleClient_EnqueueMany()
	ExampleClient_List()
	ExampleClient_Cancel()
	ExampleClient_Wait()
	require.Equal(t, 2+1+1+1+1000, b.count(t, "pending"))
	require.Equal(t, "invoice-1 execution", one[string](t, b.pool, `SELECT string_agg(split_part(engine_workflow_id, '-', 1) || CASE WHEN priority = 3 THEN '-1' ELSE '' END, ' ' ORDER BY id)
		FROM sluice.queue_items WHERE workflow_type = 'SendInvoice' AND task_queue = 'invoices'`))
	require.Equal(t, 1, one[int](t, b.pool, `SELECT count(*) FROM sluice.pending p JOIN orders o ON o.id = (p.input ->> 'order')::int WHERE p.priority = 3`))
	require.Equal(t, "CANCELLED", b.get(t, itemID).Status)
}
