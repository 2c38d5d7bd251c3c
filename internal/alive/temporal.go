package alive

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// quiet is after what time without a byte from Temporal it is called: while it answers other calls, it is not.
	quiet = time.Second
	// answerWithin is how long it may take to send a byte then. Where it does not, the next connections have longest, until Temporal has
	// answered any call soon: one that has too much to do must not be made to shake hands as well. A loss is found within 10 s even so.
	answerWithin = 3 * time.Second
	longest      = 6 * time.Second
	look         = quiet / 4
)

// WatchTemporal has the connections of a client watched that is dialed with these options. Through an HTTP proxy, which gRPC
// finds by itself and a dialer of ours would not, gRPC's own pings find a lost connection, in fifteen seconds.
func WatchTemporal(options *client.Options) {
	o := &options.ConnectionOptions
	if proxied(options.HostPort) {
		if o.KeepAliveTime == 0 && o.KeepAliveTimeout == 0 {
			o.KeepAliveTime, o.KeepAliveTimeout = leastKeepAlive, 3*time.Second
		}
		return
	}
	c := &caller{conns: map[*quietConn]bool{}, within: answerWithin}
	// The caller's own options come later, and win.
	o.DialOptions = append([]grpc.DialOption{grpc.WithContextDialer(c.dial), grpc.WithChainUnaryInterceptor(c.learn)}, o.DialOptions...)
}

// leastKeepAlive is what gRPC and Temporal allow.
const leastKeepAlive = 10 * time.Second

func proxied(hostPort string) bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: &url.URL{Scheme: "https", Host: strings.TrimPrefix(hostPort, "dns:///")}})
	return err == nil && proxy != nil
}

// caller calls Temporal where it is quiet.
type caller struct {
	channel atomic.Pointer[grpc.ClientConn] // set by the first call
	mu      sync.Mutex
	conns   map[*quietConn]bool
	within  time.Duration // answerWithin or longest
}

// quietConn is one connection to Temporal.
type quietConn struct {
	net.Conn
	of     *caller
	read   atomic.Int64 // when bytes came last, or it was opened, in Unix nanoseconds
	closed chan struct{}
	close  func()
}

func (c *caller) dial(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		network, address = "unix", path
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	q := &quietConn{Conn: conn, of: c, closed: make(chan struct{})}
	q.close = sync.OnceFunc(func() { close(q.closed) })
	c.mu.Lock()
	c.conns[q] = true
	c.mu.Unlock()
	q.read.Store(time.Now().UnixNano())
	go q.watch()
	return q, nil
}

// learn sees every call, ours and others': from these it learns the channel, and that Temporal answers soon. A connection that is in
// use is never quiet, so our own calls alone would not tell.
func (c *caller) learn(ctx context.Context, method string, request, reply any, channel *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	c.channel.Store(channel)
	began := time.Now()
	err := invoke(ctx, method, request, reply, channel, options...)
	if err == nil && time.Since(began) < answerWithin/3 {
		c.patience(answerWithin)
	}
	return err
}

// watch calls when it is quiet, and closes the connection if it stays so.
func (q *quietConn) watch() {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-q.closed:
			return
		case <-tick.C:
		}
		last := q.read.Load()
		if time.Since(time.Unix(0, last)) < quiet {
			continue
		}
		within := q.of.patience(0)
		go q.of.call(within)
		select {
		case <-q.closed:
			return
		case <-time.After(within):
		}
		if q.read.Load() == last {
			q.of.patience(longest)
			_ = q.Close() // gRPC fails what waits there, and connects anew
			return
		}
	}
}

// call makes a call on each connection: gRPC takes them in turn. Whatever comes back shows that the connection is alive.
func (c *caller) call(within time.Duration) {
	channel := c.channel.Load()
	if channel == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c.mu.Lock()
	n := len(c.conns)
	c.mu.Unlock()
	var calls sync.WaitGroup
	for range n {
		calls.Go(func() { _, _ = healthpb.NewHealthClient(channel).Check(ctx, &healthpb.HealthCheckRequest{}) })
	}
	calls.Wait()
}

// patience returns for how long a connection may be silent, having set it unless that is zero.
func (c *caller) patience(within time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if within > 0 {
		c.within = within
	}
	return c.within
}

func (q *quietConn) Read(p []byte) (int, error) {
	n, err := q.Conn.Read(p)
	if n > 0 {
		q.read.Store(time.Now().UnixNano())
	}
	return n, err
}

func (q *quietConn) Close() error {
	q.close()
	q.of.mu.Lock()
	delete(q.of.conns, q)
	q.of.mu.Unlock()
	return q.Conn.Close()
}
