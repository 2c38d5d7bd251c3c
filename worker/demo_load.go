package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"sluice/internal/definition"
	"sluice/queue"
)

// demoCast are the demo's workspaces. Each has several times as many executions as its plan runs at once, except the
// one on ENTERPRISE, which shows that plenty of room does not starve the others. One of each plan has an application with a workflow
// type of its own, see demo_application.go; the others run definitions, and the last one both.
var demoCast = []struct {
	name, plan             string
	workflows, definitions int
}{
	{"Acme Bakery", "FREE", 24, 0},
	{"Blue Bicycle Repairs", "FREE", 0, 24},
	{"Cobalt Studio", "STARTER", 42, 0},
	{"Driftwood Travel", "STARTER", 0, 42},
	{"Everest Insurance", "PRO", 54, 0},
	{"Foxglove Clinics", "PRO", 0, 54},
	{"Gigantic Logistics", "ENTERPRISE", 30, 30},
}

// Names of the demo's definitions.
const (
	demoPing     = "ping"
	demoReport   = "build-report"
	demoShipment = "track-shipment"
	demoInvoices = "send-invoices"
)

// demoDefinitions are one of each shape: a single node, a diamond, a chain with calls, a child workflow.
func demoDefinitions(endpoint string) [][]byte {
	call := func(definitionName, name, path string, needs ...string) definition.Node {
		return demoNode(definitionName, name, definition.HTTP, definition.HTTPConfig{URL: endpoint + path}, needs...)
	}
	wait := func(definitionName, name, duration string, needs ...string) definition.Node {
		return demoNode(definitionName, name, definition.Delay, map[string]string{"duration": duration}, needs...)
	}
	var raw [][]byte
	for _, d := range []definition.Definition{
		{Name: demoPing, Nodes: []definition.Node{demoNode(demoPing, "pong", definition.Noop, nil)}},
		{Name: demoReport, Nodes: []definition.Node{
			demoNode(demoReport, "begin", definition.Noop, nil),
			wait(demoReport, "collect-sales", "1200ms", "begin"),
			wait(demoReport, "collect-stock", "1800ms", "begin"),
			demoNode(demoReport, "merge", definition.Noop, nil, "collect-sales", "collect-stock"),
		}},
		{Name: demoShipment, Nodes: []definition.Node{
			call(demoShipment, "locate", "/shipments/42"),
			wait(demoShipment, "let-it-move", "500ms", "locate"),
			call(demoShipment, "notify", "/notifications", "let-it-move"),
		}},
		{Name: demoInvoices, Nodes: []definition.Node{
			demoNode(demoInvoices, "invoice-run", definition.Workflow, definition.WorkflowConfig{WorkflowType: demoInvoiceType}),
		}},
	} {
		raw = append(raw, mustJSON(d))
	}
	return raw
}

// demoNode makes a node whose id derives from its name, so that the definition is the same in each run.
func demoNode(definitionName, name string, kind definition.NodeType, config any, needs ...string) definition.Node {
	id := func(name string) uuid.UUID {
		return uuid.NewSHA1(uuid.NameSpaceOID, []byte("sluice demo/"+definitionName+"/"+name))
	}
	n := definition.Node{ID: id(name), Name: name, Type: kind}
	if config != nil {
		n.Config = mustJSON(config)
	}
	for _, need := range needs {
		n.Needs = append(n.Needs, id(need))
	}
	return n
}

// demoItems is the load, one workspace after the other: enqueueing first is no advantage.
func demoItems(ctx context.Context, q *queue.Client, workspaces []demoWorkspace) (items []queue.Item, err error) {
	mix := []string{demoReport, demoShipment, demoReport, demoInvoices, demoReport, demoPing}
	for i, w := range workspaces {
		for n := range demoCast[i].workflows + demoCast[i].definitions {
			item := queue.Item{WorkspaceID: w.ID, Priority: []int{3, 3, 5, 3, 1}[n%5], EnqueuedBy: demoActor, TriggerType: "DEMO"}
			if n < demoCast[i].workflows {
				options := client.StartWorkflowOptions{TaskQueue: demoOrders, StaticSummary: fmt.Sprintf("order %d of %s", n+1, w.Name)}
				if item, err = q.NewWorkflow(ctx, item, options, demoOrderType, demoOrder{Customer: w.Name, Number: n + 1}); err != nil {
					return nil, err
				}
			} else {
				item.DefinitionID = w.definitions[mix[n%len(mix)]]
				item.Input = json.RawMessage(fmt.Sprintf(`{"customer": %q, "number": %d}`, w.Name, n+1))
			}
			items = append(items, item)
		}
	}
	return items, nil
}

func mustJSON(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // only the demo's own values are passed
	}
	return raw
}
