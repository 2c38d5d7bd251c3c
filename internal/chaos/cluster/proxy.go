package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Proxy copies TCP connections to a server, or for a time does not.
type Proxy struct {
	// Address is host:port where it listens, for ever.
	Address string

	listener    net.Listener
	passesClose bool
	target      string
	copying     sync.WaitGroup
	answers     atomic.Int64 // of the server, delivered

	mu      sync.Mutex
	cut     bool
	stalled bool
	changed chan struct{} // closed and replaced when the state changes
	closed  bool
	ends    map[*net.TCPConn]bool         // both ends of every connection
	pairs   map[*net.TCPConn]*net.TCPConn // the end at the server to the other
	lost    map[*net.TCPConn]bool         // those of them whose connection is swallowed
	handler http.Handler                  // of new connections; nil: the server's
}

// NewProxy listens on any free port of the loopback interface and copies to target.
func NewProxy(target string) (*Proxy, error) {
	listener, err := net.Listen("tcp", address(0))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", target, err)
	}
	p := &Proxy{Address: listener.Addr().String(), listener: listener, target: target, changed: make(chan struct{}), ends: map[*net.TCPConn]bool{}, lost: map[*net.TCPConn]bool{}, pairs: map[*net.TCPConn]*net.TCPConn{}}
	p.copying.Go(p.accept)
	return p, nil
}

// Cut resets every connection, and every new one at once, until Heal.
func (p *Proxy) Cut() {
	p.change(func() { p.cut = true })
	p.reset()
}

// Stall keeps connections open and accepts new ones, but delivers nothing until Heal; then what was held back is.
func (p *Proxy) Stall() { p.change(func() { p.stalled = true }) }

// Heal ends a cut, a stall and answers in the server's place. What was swallowed stays so.
func (p *Proxy) Heal() {
	p.mu.Lock()
	answered := p.handler != nil
	p.mu.Unlock()
	p.change(func() { p.cut, p.stalled, p.handler = false, false, nil })
	if answered {
		p.reset()
	}
}

// Answers is how often something has come from the server. It only tells whether more has come since.
func (p *Proxy) Answers() int64 { return p.answers.Load() }

// Close ends all connections and the listener, and waits for them.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	p.change(func() { p.closed = true })
	p.reset()
	p.copying.Wait()
	return err
}

func (p *Proxy) change(apply func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	apply()
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for end := range p.ends {
		abort(end)
	}
}

// abort closes with a reset instead of an orderly end, as a lost network would in time.
func abort(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of this connection only
		}
		p.copying.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	if !p.add(client) {
		return
	}
	defer p.remove(client)
	if !p.await() {
		return
	}
	if h := p.answering(); h != nil {
		serveHTTP(client, h)
		return
	}
	dialed, err := net.Dial("tcp", p.target)
	if err != nil {
		return // the server is away: the client sees its connection reset
	}
	server := dialed.(*net.TCPConn)
	if !p.add(server) {
		return
	}
	defer p.remove(server)
	p.mu.Lock()
	p.pairs[server] = client
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client, nil) })
	both.Go(func() { p.copy(client, server, &p.answers) })
	both.Wait()
}

// add notes one end; false says that it was reset because of a cut.
func (p *Proxy) add(end *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.closed {
		abort(end)
		return false
	}
	p.ends[end] = true
	return true
}

func (p *Proxy) remove(end *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ends, end)
	delete(p.lost, end)
	delete(p.pairs, end)
	abort(end)
}

// await waits while nothing is delivered; false says that nothing will be any more.
func (p *Proxy) await() bool {
	for {
		p.mu.Lock()
		stalled, over, changed := p.stalled, p.cut || p.closed, p.changed
		p.mu.Unlock()
		if over || !stalled {
			return !over
		}
		<-changed
	}
}

// copy moves bytes until either end is closed. Then both are: neither protocol here half-closes. Of a connection that is swallowed
// neither end hears of the other again, not even that it has closed, unless PassClose says so. It counts what it delivers.
func (p *Proxy) copy(to, from *net.TCPConn, delivered *atomic.Int64) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if !p.await() {
			break
		}
		if p.isLost(from) {
			if err != nil {
				_ = from.Close()
				if p.passesClose {
					_ = to.Close()
				}
				return
			}
			continue
		}
		if n > 0 {
			if delivered != nil {
				delivered.Add(1) // first: a test may ask as soon as it has the answer
			}
			if _, writeErr := to.Write(buffer[:n]); writeErr != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}
