package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	commandpb "go.temporal.io/api/command/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"sluice/internal/operate"
	"sluice/queue"
	"sluice/workflows"
)

const aboutWorkflows = `Items that are workflows of a type of one's own, all on one shared task queue that a plain SDK worker serves. Throughput
(ratio): over 50 workspaces whose limits don't bind, from just before the first is asked for until the last end is on record; against plain
ExecuteWorkflow of the same, 32 at a time, until Temporal has taken the last end. The two take turns. First task: asked for by SQL
from another process, against plain starts by that process, in turn, one every 100 ms. Refill: of a workspace that may run one at a time, from the
close of one workflow by Temporal's record to the first task of the next, by each way of learning the end alone; against plain starts.
Events: what an item's history has more than a plain one's. Down: forty workflows are terminated while nothing answers at the callback URL for
ten seconds; how long after it answers again the last slot is free, which is 0 where recovery was faster.`

// ownQueue is the task queue of the application, and ownType what it runs there.
const (
	ownQueue = "bench-own"
	ownType  = "Nothing"
	heldType = "Held" // goes on until it is terminated
)

// learning is how the ends of workflows are learnt.
type learning struct {
	called   bool // back by the server
	deaf     bool // to what workers say
	recovers bool // recovery runs
}

func ownWorkflows(ctx context.Context, b *bench) (_ []figure, err error) {
	n := pick(b.scale, 20, 200, 2000)
	s, err := b.newStackThat(ctx, learning{}, pick(b.scale, 5, 20, 50), 10*n, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	stop, err := s.serveOwn()
	if err != nil {
		return nil, err
	}
	defer stop()
	figures, err := s.ownThroughput(ctx, n)
	if err != nil {
		return nil, err
	}
	first, err := s.ownFirstTasks(ctx, pick(b.scale, 5, 20, 300))
	if err != nil {
		return nil, err
	}
	figures = append(figures, first...)
	for _, way := range []struct {
		name string
		learning
		rounds int
	}{
		{"worker", learning{}, pick(b.scale, 1, 2, 20)},
		{"callback", learning{deaf: true, called: true}, pick(b.scale, 1, 2, 20)},
		{"recovery", learning{deaf: true, recovers: true}, pick(b.scale, 1, 1, 4)},
	} {
		more, err := b.ownRefills(ctx, way.learning, way.rounds)
		if err != nil {
			return nil, fmt.Errorf("by %s: %w", way.name, err)
		}
		for _, f := range more {
			f.name = "refill." + way.name + "." + f.name
			figures = append(figures, f)
		}
	}
	down, err := b.endpointDown(ctx)
	return append(figures, down), err
}

// serveOwn runs the application's worker, which knows nothing of Sluice.
func (s *stack) serveOwn() (stop func(), err error) {
	w := worker.New(s.client, ownQueue, worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { return nil }, workflow.RegisterOptions{Name: ownType})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error { return workflow.Sleep(ctx, time.Hour) }, workflow.RegisterOptions{Name: heldType})
	if err := w.Start(); err != nil {
		return nil, fmt.Errorf("start the application's worker: %w", err)
	}
	return w.Stop, nil
}

// enqueueOwn adds so many workflows, in turn for all workspaces.
func (s *stack) enqueueOwn(ctx context.Context, kind string, n int) (answers []queue.Answer, err error) {
	var items []queue.Item
	for i := range n {
		item, err := s.app.NewWorkflow(ctx, queue.Item{WorkspaceID: s.workspaces[i%len(s.workspaces)]}, client.StartWorkflowOptions{TaskQueue: ownQueue}, kind)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	for len(items) > 0 {
		some := items[:min(bulkItems, len(items))]
		items = items[len(some):]
		added, err := s.app.EnqueueMany(ctx, some)
		if err != nil {
			return nil, err
		}
		answers = append(answers, added...)
	}
	return answers, nil
}

func (s *stack) ownThroughput(ctx context.Context, n int) ([]figure, error) {
	var ours, plain time.Duration
	for _, with := range []bool{true, false, false, true} {
		if with {
			began := time.Now()
			answers, err := s.enqueueOwn(ctx, ownType, n)
			if err != nil {
				return nil, err
			}
			ended, err := s.untilEnded(ctx, idsOf(answers), began)
			if err != nil {
				return nil, err
			}
			ours += ended
			continue
		}
		if _, err := operate.Pause(ctx, s.client, s.worker, workflows.PauseRequest{Actor: "bench"}); err != nil {
			return nil, err
		}
		ended, err := s.plainlyOwn(ctx, n)
		if err != nil {
			return nil, err
		}
		plain += ended
		if _, err := operate.Resume(ctx, s.client, s.worker, workflows.ResumeRequest{Actor: "bench"}); err != nil {
			return nil, err
		}
	}
	return []figure{{"ratio", "times", ratio(plain, ours)}, {"rate", "per s", float64(2*n) / ours.Seconds()}, {"plain.rate", "per s", float64(2*n) / plain.Seconds()}}, nil
}

// plainlyOwn starts so many without Sluice, and returns when Temporal has taken the last end.
func (s *stack) plainlyOwn(ctx context.Context, n int) (time.Duration, error) {
	before, began := s.closes.count(), time.Now()
	group, starting := errgroup.WithContext(ctx)
	group.SetLimit(plainStarts)
	for range n {
		group.Go(func() error {
			_, err := s.plain.askOwn(starting)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	err := await(ctx, "all plain workflows have ended", func() (bool, error) { return s.closes.count() >= before+n, nil })
	return s.closes.latest().Sub(began), err
}

func (s *stack) ownFirstTasks(ctx context.Context, rounds int) (_ []figure, err error) {
	app, err := newOutside(ctx, s.servers.DatabaseURL, s.servers.TemporalAddress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, app.close()) }()
	ways := map[string][]asked{}
	for round := range rounds + 1 {
		for _, way := range []string{ownBySQL, ownByStart} {
			if err := rest(ctx, flowing.every); err != nil {
				return nil, err
			}
			a, err := app.ask(order{Way: way, Workspace: s.workspaces[round%len(s.workspaces)]})
			if err != nil {
				return nil, err
			}
			if round > 0 {
				ways[way] = append(ways[way], a)
			}
		}
	}
	took, err := s.toFirstTasks(ctx, ways[ownBySQL])
	if err != nil {
		return nil, err
	}
	floor, err := s.toFirstTasks(ctx, ways[ownByStart])
	if err != nil {
		return nil, err
	}
	return quantiles("first.", took, floor), s.awaitEnded(ctx)
}

// closings notes when the server takes the end of a workflow from a worker of a client.
type closings struct {
	mu   sync.Mutex
	n    int
	last time.Time
}

func (c *closings) intercept(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	task, ok := request.(*workflowservice.RespondWorkflowTaskCompletedRequest)
	if err != nil || !ok || !completes(task.GetCommands()) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n, c.last = c.n+1, time.Now()
	return nil
}

func completes(commands []*commandpb.Command) bool {
	return len(commands) > 0 && commands[len(commands)-1].GetCommandType() == enumspb.COMMAND_TYPE_COMPLETE_WORKFLOW_EXECUTION
}

func (c *closings) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func (c *closings) latest() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
