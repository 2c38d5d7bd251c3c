package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"

	"sluice/internal/devstack/devtest"
	"sluice/queue"
	"sluice/workflows"
)

// process is a worker as it is deployed: the built binary, ended by SIGTERM.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	exited chan error
	stderr bytes.Buffer
}

func buildWorker(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "worker")
	output, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "sluice/worker").CombinedOutput()
	require.NoError(t, err, string(output))
	return binary
}

// startWorker returns once the process says that it works.
func (s *stack) startWorker(binary string) *process {
	s.t.Helper()
	address, _ := devtest.Temporal(s.t, nil)
	p := &process{t: s.t, cmd: exec.CommandContext(s.ctx, binary, "--http-address=", "--allow-private-addresses"), exited: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), "DATABASE_URL="+s.pool.Config().ConnString(), "TEMPORAL_ADDRESS="+address, "TEMPORAL_NAMESPACE="+s.namespace)
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, p.cmd.Start())
	ready := make(chan struct{})
	go func() {
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if lines.Text() == "ready" {
				close(ready)
			}
		}
		p.exited <- p.cmd.Wait()
	}()
	s.t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	select {
	case <-ready:
	case err := <-p.exited:
		s.t.Fatalf("the worker ended: %v\n%s", err, p.stderr.String())
	case <-time.After(patience):
		s.t.Fatal("the worker never became ready")
	}
	return p
}

// stop ends the process as a deploy does, and returns how long that took.
func (p *process) stop() time.Duration {
	p.t.Helper()
	began := time.Now()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-p.exited:
		require.NoError(p.t, err, p.stderr.String())
	case <-time.After(patience):
		p.t.Fatal("the worker did not end")
	}
	return time.Since(began)
}

// calls counts the requests of http nodes by their Idempotency-Key.
type calls struct {
	mu    sync.Mutex
	byKey map[string]int
}

func (c *calls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	c.byKey[r.Header.Get("Idempotency-Key")]++
	c.mu.Unlock()
	select { // long enough that a worker is often told to stop in the middle of one
	case <-time.After(100 * time.Millisecond):
	case <-r.Context().Done():
	}
}

func (c *calls) made() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int64(len(c.byKey))
}

// Under a steady load, two workers are replaced in turn. Whatever they have in hand they finish or hand over: next to
// nothing is noticed by a timeout only, nothing is called twice, and every item ends once.
func TestRollingRestartLeavesNothingToATimeout(t *testing.T) {
	s := newStack(t)
	api := &calls{byKey: map[string]int{}}
	server := httptest.NewServer(api)
	defer server.Close()
	binary := buildWorker(t)
	workers := []*process{s.startWorker(binary), s.startWorker(binary)}
	s.dispatch(workflows.State{})

	enqueued := s.load(server.URL, api.made)
	const rounds = 3
	for range rounds {
		for i := range workers {
			replacement := s.startWorker(binary) // first the new one, then the old one goes
			began := enqueued.n.Load()
			require.Eventually(t, func() bool { return enqueued.n.Load() >= began+40 }, patience, 10*time.Millisecond)
			t.Logf("drained in %s", workers[i].stop().Round(time.Millisecond))
			workers[i] = replacement
		}
	}
	n := enqueued.stop()
	s.awaitCount(n, `SELECT count(*) FROM sluice.executions WHERE status = 'COMPLETED'`)

	require.Len(t, api.byKey, n)
	for key, times := range api.byKey {
		require.Equal(t, 1, times, "call %s was made more than once", key)
	}
	// The SDK cancels each worker's polls at last, and what the server hands out in that instant is lost: one in a
	// hundred is a bound that chance does not reach. Without the wait for open polls it was one in fifty.
	left := s.timeouts()
	require.LessOrEqual(t, 100*len(left), n, "%d of %d executions: %v", len(left), n, left)
	s.audit()
	t.Logf("%d executions over %d restarts, %d left to a timeout", n, rounds*len(workers), len(left))
}

// load is what enqueues while a test goes on.
type load struct {
	n    atomic.Int64
	stop func() int // returns how many were enqueued in all
}

// load enqueues an item every 25 ms, in turn for a few workspaces: a wait, then a call. It waits while many have not made
// their call: on a busy machine it would build a backlog, and tasks would time out that no process has lost.
func (s *stack) load(url string, made func() int64) *load {
	s.t.Helper()
	var items []queue.Item
	for range 4 {
		ws := s.workspace("PRO")
		d := s.definition(ws.ID, node{kind: "delay", config: `{"duration":"100ms"}`},
			node{kind: "http", config: `{"url":"` + url + `","method":"POST"}`, needs: []int{0}})
		items = append(items, queue.Item{WorkspaceID: ws.ID, DefinitionID: d.ID})
	}
	l := &load{}
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() {
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				done <- nil
				return
			case <-tick.C:
			}
			if l.n.Load()-made() > 10 {
				continue
			}
			if _, err := s.queue.Enqueue(s.ctx, items[int(l.n.Load())%len(items)]); err != nil {
				done <- err
				return
			}
			l.n.Add(1)
		}
	}()
	l.stop = sync.OnceValue(func() int {
		cancel()
		require.NoError(s.t, <-done)
		return int(l.n.Load())
	})
	s.t.Cleanup(func() { _ = l.stop() })
	return l
}

// timeouts are the tasks of all workflows of the namespace that ended by a timeout, also those that were retried.
func (s *stack) timeouts() (found []string) {
	s.t.Helper()
	request := &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000}
	for {
		page, err := s.client.ListWorkflow(s.ctx, request)
		require.NoError(s.t, err)
		for _, info := range page.GetExecutions() {
			e := info.GetExecution()
			history := s.client.GetWorkflowHistory(s.ctx, e.GetWorkflowId(), e.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				event, err := history.Next()
				require.NoError(s.t, err)
				if what := timeout(event); what != "" {
					found = append(found, fmt.Sprintf("%s event %d at %s: %s", e.GetWorkflowId(), event.GetEventId(), event.GetEventTime().AsTime().Format(time.StampMilli), what))
				}
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return found
		}
	}
}

// timeout says which timeout the event tells of, if any. A sticky task that no worker has begun is none: the server moves it
// to the workspace's other workers after a second, and cannot do better for what lies in a sticky queue that is taken away.
func timeout(event *historypb.HistoryEvent) string {
	switch event.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
		if kind := event.GetWorkflowTaskTimedOutEventAttributes().GetTimeoutType(); kind != enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START {
			return "workflow task, " + kind.String()
		}
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
		return "activity, " + event.GetActivityTaskTimedOutEventAttributes().GetFailure().GetMessage()
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED: // written when the last attempt ends; the attempts before it leave only this
		if a := event.GetActivityTaskStartedEventAttributes(); a.GetLastFailure().GetTimeoutFailureInfo() != nil {
			return fmt.Sprintf("activity, attempt before %d: %s", a.GetAttempt(), a.GetLastFailure().GetMessage())
		}
	case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
		a := event.GetWorkflowTaskFailedEventAttributes()
		return strings.TrimSpace("workflow task failed, " + a.GetCause().String() + " " + a.GetFailure().GetMessage())
	}
	return ""
}
