package cluster

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		err := goleak.Find()
		for began := time.Now(); err != nil && time.Since(began) < patience; err = goleak.Find() {
			time.Sleep(100 * time.Millisecond) // goroutines that are about to end take their time on a busy machine
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// echo returns the address of a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func newProxy(t *testing.T) *Proxy {
	t.Helper()
	p, err := NewProxy(echo(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// answers tells whether a word comes back within the time.
func answers(conn net.Conn, within time.Duration) error {
	if _, err := conn.Write([]byte("word")); err != nil {
		return err
	}
	_ = conn.SetReadDeadline(time.Now().Add(within))
	_, err := io.ReadFull(conn, make([]byte, 4))
	return err
}

const patience = time.Minute

func TestProxyCutsAndHeals(t *testing.T) {
	p := newProxy(t)
	before := dial(t, p)
	require.NoError(t, answers(before, patience))
	require.Positive(t, p.Answers())

	p.Cut()
	require.Error(t, answers(before, patience), "an existing connection is reset")
	during, err := net.Dial("tcp", p.Address)
	if err == nil {
		err = answers(during, patience)
		_ = during.Close()
	}
	require.Error(t, err, "and a new one")
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "at once")

	p.Heal()
	require.NoError(t, answers(dial(t, p), patience))
}

func TestProxyStallsAndHeals(t *testing.T) {
	p := newProxy(t)
	before := dial(t, p)
	require.NoError(t, answers(before, patience))

	p.Stall()
	answered := p.Answers()
	during := dial(t, p)
	for _, conn := range []net.Conn{before, during} {
		var late net.Error
		require.ErrorAs(t, answers(conn, 50*time.Millisecond), &late)
		require.True(t, late.Timeout(), "it is open and says nothing")
	}
	require.Equal(t, answered, p.Answers())

	p.Heal()
	for _, conn := range []net.Conn{before, during} {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		_, err := io.ReadFull(conn, make([]byte, 4))
		require.NoError(t, err, "what was held back is delivered")
		require.NoError(t, answers(conn, patience))
	}
}

func TestProxyCutsWhatIsStalled(t *testing.T) {
	p := newProxy(t)
	p.Stall()
	conn := dial(t, p)
	p.Cut()
	err := answers(conn, patience)
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestProxyWithoutAServerEndsConnections(t *testing.T) {
	p, err := NewProxy("127.0.0.1:1")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	conn, err := net.Dial("tcp", p.Address) // reset at once: before or after the dial returns
	if err == nil {
		err = answers(conn, patience)
		_ = conn.Close()
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

func TestSwallowedConnectionsStayAndAreNotServed(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	conn := dial(t, p)
	require.NoError(t, answers(conn, time.Minute))
	require.Zero(t, p.Swallow(func(int) bool { return false }))
	require.NoError(t, answers(conn, time.Minute))
	require.Equal(t, 1, p.Swallow(nil))
	require.ErrorIs(t, answers(conn, 100*time.Millisecond), os.ErrDeadlineExceeded)
	p.Heal()
	require.ErrorIs(t, answers(conn, 100*time.Millisecond), os.ErrDeadlineExceeded)
	require.NoError(t, answers(dial(t, p), time.Minute))
}

func TestAnswersInTheServersPlace(t *testing.T) {
	t.Parallel()
	p := newProxy(t)
	before := dial(t, p)
	require.NoError(t, answers(before, time.Minute))
	p.Answer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	require.Error(t, answers(before, time.Minute))
	for name, speak := range map[string]func(*http.Protocols){
		"as Temporal's clients": func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
		"as Temporal's calls":   func(p *http.Protocols) { p.SetHTTP1(true) },
	} {
		transport := &http.Transport{Protocols: new(http.Protocols)}
		speak(transport.Protocols)
		response, err := (&http.Client{Transport: transport}).Get("http://" + p.Address)
		require.NoError(t, err, name)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusTeapot, response.StatusCode, name)
		transport.CloseIdleConnections()
	}
	p.Heal()
	require.NoError(t, answers(dial(t, p), time.Minute))
}
