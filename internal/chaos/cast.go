package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sluice/admin"
)

const (
	actor      = "chaos"
	workspaces = 40
	plans      = 5 // with limits of 1 to 5
	probePlan  = "CHAOS-PROBE"
)

// The definitions that each workspace has, by name.
const (
	nodeNoop    = "noop"
	nodeBlink   = "blink"   // a short delay
	nodeNap     = "nap"     // long enough to be hurt while it runs
	nodeDoze    = "doze"    // longer than a recovery may take
	nodeCall    = "call"    // an endpoint that sometimes fails
	nodeFail    = "fail"    // an endpoint that is not there: the execution fails
	nodeDiamond = "diamond" // two branches that join
	nodeOverdue = "overdue" // passes its timeout
)

// place is a workspace with its definitions' ids by name, and its plan.
type place struct {
	plan        int // the n of planName
	workspace   uuid.UUID
	definitions map[string]uuid.UUID // also the workflow types of the application's own, by ownID
}

// cast is what takes part: the workspaces of the load, and one with slots enough for probes.
type cast struct {
	places []place
	probe  place
}

func planName(n int) string { return fmt.Sprintf("CHAOS%d", n%plans+1) }

func planLimit(n int) int { return n%plans + 1 }

func makeCast(ctx context.Context, office *admin.Client, endpoint string) (*cast, error) {
	limits := map[string]int{probePlan: 50}
	for n := range plans {
		limits[planName(n)] = planLimit(n)
	}
	for plan, limit := range limits {
		if _, err := office.SetTier(ctx, plan, admin.TierChange{MaxConcurrentWorkflows: &limit}, actor); err != nil {
			return nil, err
		}
	}
	c := &cast{}
	for n := range workspaces {
		p, err := makePlace(ctx, office, fmt.Sprintf("chaos %d", n+1), planName(n), endpoint)
		if err != nil {
			return nil, err
		}
		p.plan = n % plans
		c.places = append(c.places, p)
	}
	var err error
	c.probe, err = makePlace(ctx, office, "probe", probePlan, endpoint)
	return c, err
}

func makePlace(ctx context.Context, office *admin.Client, name, plan, endpoint string) (place, error) {
	w, err := office.CreateWorkspace(ctx, name, plan, actor)
	if err != nil {
		return place{}, err
	}
	p := place{workspace: w.ID, definitions: map[string]uuid.UUID{}}
	for _, d := range definitions(endpoint) {
		raw, err := json.Marshal(d)
		if err != nil {
			return p, err
		}
		applied, err := office.ApplyDefinition(ctx, w.ID, raw, actor)
		if err != nil {
			return p, err
		}
		p.definitions[applied.Name] = applied.ID
	}
	for name := range owns {
		p.definitions[name] = ownID(name)
	}
	return p, nil
}

// place is one of those of the load, by a fault's choice.
func (c *cast) place(choice uint64) place { return c.places[choice%uint64(len(c.places))] }

// graph is a definition as its file has it.
type graph struct {
	Name    string `json:"name"`
	Timeout string `json:"timeout,omitempty"`
	Nodes   []node `json:"nodes"`
}

type node struct {
	ID     uuid.UUID      `json:"id"`
	Type   string         `json:"type"`
	Config map[string]any `json:"config,omitempty"`
	Needs  []uuid.UUID    `json:"needs,omitempty"`
}

func definitions(endpoint string) []graph {
	step := func(kind string, config map[string]any, needs ...node) node {
		n := node{ID: uuid.New(), Type: kind, Config: config}
		for _, need := range needs {
			n.Needs = append(n.Needs, need.ID)
		}
		return n
	}
	delay := func(d string, needs ...node) node {
		return step("delay", map[string]any{"duration": d}, needs...)
	}
	call := func(path string, needs ...node) node {
		return step("http", map[string]any{"url": endpoint + path, "timeout": "5s",
			"retry": map[string]any{"initialInterval": "100ms", "maximumAttempts": 8}}, needs...)
	}
	top := step("noop", nil)
	left, right := delay("20ms", top), call("/work", top)
	return []graph{
		{Name: nodeNoop, Nodes: []node{step("noop", nil)}},
		{Name: nodeBlink, Nodes: []node{delay("30ms")}},
		{Name: nodeNap, Nodes: []node{delay("3s")}},
		{Name: nodeDoze, Nodes: []node{delay("20s")}},
		{Name: nodeCall, Nodes: []node{call("/work")}},
		{Name: nodeFail, Nodes: []node{call("/nothing")}},
		{Name: nodeDiamond, Nodes: []node{top, left, right, step("noop", nil, left, right)}},
		{Name: nodeOverdue, Timeout: "1s", Nodes: []node{delay("10m")}},
	}
}

// serveEndpoint serves an outside world to the http nodes: mostly quick, sometimes slow, sometimes unavailable. It
// returns its URL.
func serveEndpoint() (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve an endpoint: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		wait := time.Duration(1+rand.IntN(40)) * time.Millisecond
		chance := rand.IntN(100)
		if chance < 3 {
			wait = 2 * time.Second
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(wait):
		}
		if chance >= 90 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"done": true}`)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}
