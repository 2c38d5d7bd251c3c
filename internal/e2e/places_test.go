package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
	"sluice/worker/host"
	"sluice/workflows"
)

// hanging serves calls that are not answered until it is released; others it answers at once.
type hanging struct {
	*httptest.Server
	open    atomic.Int64 // calls that are not answered
	release func()
}

func newHanging(t *testing.T) *hanging {
	released := make(chan struct{})
	h := &hanging{release: sync.OnceFunc(func() { close(released) })}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			h.open.Add(1)
			defer h.open.Add(-1)
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
	}))
	t.Cleanup(h.Close)
	t.Cleanup(h.release)
	return h
}

// calls is a definition that makes n calls at once, each in one attempt.
func (s *stack) calls(workspace uuid.UUID, url string, n int) uuid.UUID {
	s.t.Helper()
	nodes := make([]node, n)
	for i := range nodes {
		nodes[i] = node{kind: "http", config: fmt.Sprintf(`{"url": %q, "timeout": "1h", "retry": {"maximumAttempts": 1}}`, url)}
	}
	return s.definition(workspace, nodes...).ID
}

func TestCallsThatAreNotAnsweredLeaveRoomForThoseOfOtherWorkspaces(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server := newHanging(t)
	s.host(func(c *host.Config) { c.ExternalConcurrency = 10 }) // a workspace alone may have two
	s.dispatch(workflows.State{})
	stuck, other := s.workspace("PRO"), s.workspace("PRO")
	item := s.enqueue(queue.Item{WorkspaceID: stuck.ID, DefinitionID: s.calls(stuck.ID, server.URL+"/hang", 100)})
	s.eventually(func() bool { return server.open.Load() == 2 }, patience)

	healthy := s.calls(other.ID, server.URL+"/answers", 2)
	for range 5 {
		s.await(s.enqueue(queue.Item{WorkspaceID: other.ID, DefinitionID: healthy}), workflows.StatusCompleted)
	}
	require.EqualValues(t, 2, server.open.Load(), "the calls that hang have their part of the places, and no more")

	server.release()
	s.await(item, workflows.StatusCompleted) // each call in its one attempt: to be put back is none
	s.audit()
}

// A place is not held for an execution that has ended.
func TestACallEndsWithItsExecution(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	server := newHanging(t)
	ws := s.workspace("PRO")
	definition := s.calls(ws.ID, server.URL+"/hang", 1)
	for _, end := range []struct {
		status string
		by     func(id uuid.UUID) error
	}{
		{workflows.StatusCancelled, func(id uuid.UUID) error { return s.client.CancelWorkflow(s.ctx, workflows.ExecutionID(id), "") }},
		{workflows.StatusTerminated, func(id uuid.UUID) error { return s.client.TerminateWorkflow(s.ctx, workflows.ExecutionID(id), "", "") }},
	} {
		id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: definition})
		s.eventually(func() bool { return server.open.Load() == 1 }, patience)
		require.NoError(t, end.by(id))
		s.await(id, end.status)
		s.eventually(func() bool { return server.open.Load() == 0 }, patience)
	}
	s.audit()
}

// A call that is under way cannot show that it goes on, nor can one that is answered say so.
func TestAnOutageOfTemporalEndsNoCallAndLosesNoAnswer(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	server := newHanging(t)
	ws := s.workspace("PRO")
	definition := s.calls(ws.ID, server.URL+"/hang", 1)
	_, temporal := s.silenced()
	s.dispatch(workflows.State{})
	id := s.enqueue(queue.Item{WorkspaceID: ws.ID, DefinitionID: definition})
	s.eventually(func() bool { return server.open.Load() == 1 }, patience)
	temporal.Cut()
	const longer = 11 * time.Second // than the pause between signs of life, and than the SDK tries to tell of an answer
	require.Never(t, func() bool { return server.open.Load() != 1 }, longer, 100*time.Millisecond)
	server.release()
	require.Never(t, func() bool { return s.count(`SELECT count(*) FROM sluice.ended`) > 0 }, longer, 100*time.Millisecond)
	temporal.Heal()
	s.await(id, workflows.StatusCompleted) // in its one attempt
}
