package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/workflow"

	"sluice/admin"
	"sluice/queue"
)

// actor is who changes things in Sluice, as sluice.activity shows it.
const actor = "shop"

// shipNode is the node whose output is read. A node whose id does not matter needs only a name.
const shipNode = "0192f1c4-7a3e-4b5d-9c61-2f8e5d0a7b14"

// fulfil is what is done for an order: it waits a moment, in which the customer may cancel, and ships.
const fulfil = `{"name": "fulfil-order", "timeout": "10m", "nodes": [
	{"name": "reconsider", "type": "delay", "config": {"duration": "100ms"}},
	{"name": "ship", "id": "` + shipNode + `", "type": "workflow", "config": {"workflowType": "Ship"}, "needs": ["reconsider"]}]}`

// Order is the input of an execution, and so of Ship.
type Order struct {
	ID    int64  `json:"id"`
	Goods string `json:"goods"`
}

// Parcel is what Ship returns.
type Parcel struct {
	Label string `json:"label"`
}

// Ship is a workflow like any other; it runs on the task queue of the customer's workspace.
func Ship(_ workflow.Context, o Order) (Parcel, error) {
	return Parcel{Label: fmt.Sprintf("parcel %d: %s", o.ID, o.Goods)}, nil
}

// shop is the application's own part.
type shop struct {
	pool      *pgxpool.Pool
	queue     *queue.Client
	customers []customer
}

// customer has a workspace, and a definition in it.
type customer struct {
	name                  string
	workspace, definition uuid.UUID
}

// open makes what is missing. It may run any number of times, in several processes.
func open(ctx context.Context, pool *pgxpool.Pool) (*shop, error) {
	s := &shop{pool: pool, queue: queue.New(pool)}
	_, err := pool.Exec(ctx, `CREATE TABLE IF NOT EXISTS shop_orders (
		id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer text NOT NULL, goods text NOT NULL, item uuid)`)
	if err != nil {
		return nil, err
	}
	office := admin.New(pool)
	for _, name := range []string{"Ann's Bakery", "Ben's Bicycles"} {
		workspace, err := office.EnsureWorkspace(ctx, name, "FREE", actor)
		if err != nil {
			return nil, err
		}
		definition, err := office.ApplyDefinition(ctx, workspace.ID, []byte(fulfil), actor)
		if err != nil {
			return nil, err
		}
		s.customers = append(s.customers, customer{name, workspace.ID, definition.ID})
	}
	return s, nil
}

// sell places orders and tells what has become of each.
func (s *shop) sell(ctx context.Context, out io.Writer) error {
	var placed []uuid.UUID
	for _, goods := range []string{"flour", "sugar", "eggs", "butter"} {
		for _, c := range s.customers {
			item, err := s.place(ctx, c, goods)
			if err != nil {
				return fmt.Errorf("place an order of %s for %s: %w", goods, c.name, err)
			}
			placed = append(placed, item)
		}
	}
	fmt.Fprintln(out, len(placed), "orders placed")
	for _, item := range placed {
		state, err := s.queue.Wait(ctx, item)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, result(state))
	}
	return nil
}

// place writes an order and its item together: the order will be fulfilled if and only if the transaction commits.
func (s *shop) place(ctx context.Context, c customer, goods string) (item uuid.UUID, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		order := Order{Goods: goods}
		if err := tx.QueryRow(ctx, `INSERT INTO shop_orders (customer, goods) VALUES ($1, $2) RETURNING id`, c.name, goods).Scan(&order.ID); err != nil {
			return err
		}
		input, err := json.Marshal(order)
		if err != nil {
			return err
		}
		answer, err := s.queue.EnqueueTx(ctx, tx, queue.Item{WorkspaceID: c.workspace, DefinitionID: c.definition, Input: input, EnqueuedBy: actor})
		if err != nil {
			return err
		}
		item = answer.QueueID
		_, err = tx.Exec(ctx, `UPDATE shop_orders SET item = $2 WHERE id = $1`, order.ID, item)
		return err
	})
	return item, err
}

// result tells what has become of an item that has ended.
func result(s queue.State) string {
	switch {
	case s.ExecutionStatus == nil:
		return fmt.Sprintf("%s ended without an execution: %s", s.ID, *s.Error)
	case *s.ExecutionStatus != "COMPLETED":
		return fmt.Sprintf("%s %s: %s", s.ID, *s.ExecutionStatus, s.ExecutionError)
	}
	var outputs map[string]Parcel // by the ids of the nodes
	if err := json.Unmarshal(s.Output, &outputs); err != nil {
		return fmt.Sprintf("%s has an output of another kind: %v", s.ID, err)
	}
	return outputs[shipNode].Label
}
