package cluster

import (
	"net"
	"net/http"
	"sync"
)

// Swallow makes the connections that there are half-open, for ever: they stay, and nothing that is sent on them arrives. New ones
// are served. Any may choose among them by the port from which the server is spoken to; nil takes all. It returns how many
// were taken.
func (p *Proxy) Swallow(any func(port int) bool) (taken int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for end, other := range p.pairs {
		if any == nil || any(end.LocalAddr().(*net.TCPAddr).Port) {
			if !p.lost[end] {
				taken++
			}
			p.lost[end], p.lost[other] = true, true
		}
	}
	return taken
}

// PassClose has the proxy tell the other end of a swallowed connection that one has closed, as a machine in between would do that
// is alive. Call it before there are connections.
func (p *Proxy) PassClose() { p.passesClose = true }

func (p *Proxy) isLost(end *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost[end]
}

// Answer resets every connection and has new ones answered by a handler in the server's place, until Heal. It speaks HTTP/2
// without TLS, as Temporal's clients do, and HTTP/1, as its calls are.
func (p *Proxy) Answer(h http.Handler) {
	p.change(func() { p.handler = h })
	p.reset()
}

func (p *Proxy) answering() http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.handler
}

// serveHTTP serves one connection until it ends.
func serveHTTP(conn net.Conn, h http.Handler) {
	over := make(chan struct{})
	server := &http.Server{Handler: h, Protocols: new(http.Protocols), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			close(over)
		}
	}}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	_ = server.Serve(&oneListener{conn: conn, over: over}) // ends with the connection
}

// oneListener accepts one connection, and no more until that has ended.
type oneListener struct {
	conn net.Conn
	over chan struct{}
	once sync.Once
}

func (l *oneListener) Accept() (conn net.Conn, err error) {
	l.once.Do(func() { conn = l.conn })
	if conn == nil {
		<-l.over
		err = net.ErrClosed
	}
	return conn, err
}

func (l *oneListener) Close() error   { return nil }
func (l *oneListener) Addr() net.Addr { return l.conn.LocalAddr() }
