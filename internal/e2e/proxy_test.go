package e2e

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link is a TCP connection to a server that can be cut and mended.
type link struct {
	address string
	target  string
	mu      sync.Mutex
	down    bool
	refused int // connections, while it was down
	ends    map[net.Conn]bool
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{address: listener.Addr().String(), target: target, ends: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			caller, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { l.carry(caller) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		l.cut()
		running.Wait()
	})
	return l
}

// carry copies both ways until either end closes or the link is cut.
func (l *link) carry(caller net.Conn) {
	defer l.drop(caller)
	if !l.take(caller) {
		return
	}
	server, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer l.drop(server)
	if !l.take(server) {
		return
	}
	var answers sync.WaitGroup
	answers.Go(func() {
		_, _ = io.Copy(caller, server)
		_ = caller.Close()
	})
	_, _ = io.Copy(server, caller)
	_ = server.Close()
	answers.Wait()
}

// take remembers an end, unless the link is down.
func (l *link) take(end net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		l.refused++
		return false
	}
	l.ends[end] = true
	return true
}

func (l *link) drop(end net.Conn) {
	_ = end.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ends, end)
}

// cut breaks all connections and lets none in.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for end := range l.ends {
		_ = end.Close()
	}
}

func (l *link) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
}

func (l *link) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}
