package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, client *http.Client, to string) (*http.Response, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	require.NoError(t, err)
	request.Header.Set("X-Key", "s3cret")
	request.Header.Set("X-Plain", "p")
	response, err := client.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	return response, err
}

func serve(t *testing.T, handler http.HandlerFunc) (server *httptest.Server, port string) {
	t.Helper()
	server = httptest.NewServer(handler)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	return server, port
}

func transport(t *testing.T, c Config) *http.Transport {
	t.Helper()
	transport := NewTransport(c)
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// However an address is written, and whatever a name resolves to, what counts is where the connection would go.
func TestAddressesAreJudgedWhenConnecting(t *testing.T) {
	t.Parallel()
	reached := false
	_, port := serve(t, func(http.ResponseWriter, *http.Request) { reached = true })
	guarded := NewClient(transport(t, Config{}), nil, nil)
	for _, host := range []string{"127.0.0.1", "localhost", "LOCALHOST.", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[::1]", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
		"169.254.169.254", "[64:ff9b::7f00:1]", "10.0.0.1", "[fe80::1%25lo]"} {
		_, err := get(t, guarded, "http://"+host+":"+port+"/")
		require.Error(t, err, host)
		var refused *Refused
		if errors.As(err, &refused) {
			require.Contains(t, refused.Reason, "http nodes may not reach ", host)
		} else { // a form that this machine's resolver takes for a name
			require.NotContains(t, host, ":", host)
			require.Contains(t, err.Error(), "no such host", host)
		}
	}
	require.False(t, reached)
	for _, client := range []*http.Client{NewClient(transport(t, Config{AllowPrivate: true}), nil, nil),
		NewClient(transport(t, Config{Allow: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + port)}}), nil, nil)} {
		reached = false
		_, err := get(t, client, "http://127.0.0.1:"+port+"/")
		require.NoError(t, err)
		require.True(t, reached)
	}
	_, other := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, err := get(t, NewClient(transport(t, Config{Allow: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + port)}}), nil, nil), "http://127.0.0.1:"+other)
	require.ErrorContains(t, err, "loopback", "another port of the same address")
}

func TestNoProxyOfTheEnvironmentIsUsed(t *testing.T) {
	proxied := false
	proxy, _ := serve(t, func(http.ResponseWriter, *http.Request) { proxied = true })
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	_, _ = get(t, NewClient(transport(t, Config{AllowPrivate: true}), nil, nil), "http://name.invalid/")
	require.False(t, proxied)
	require.Nil(t, NewTransport(Config{}).Proxy)
}

func TestRedirectsAreJudgedLikeCalls(t *testing.T) {
	t.Parallel()
	inside, insidePort := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("it was reached") })
	outside, port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	})
	open := transport(t, Config{Allow: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + port)}})
	for to, want := range map[string]string{
		inside.URL: "loopback", "http://localhost:" + insidePort: "loopback", "file:///etc/passwd": "not file:", "gopher://127.0.0.1/": "not gopher:",
		"http://[::ffff:127.0.0.1]:" + insidePort: "loopback", "?to=" + url.QueryEscape("http://169.254.169.254/latest"): "link-local",
	} {
		_, err := get(t, NewClient(open, nil, nil), outside.URL+"/?to="+url.QueryEscape(to))
		var refused *Refused
		require.ErrorAs(t, err, &refused, to)
		require.Contains(t, refused.Reason, want)
	}
	_, err := get(t, NewClient(transport(t, Config{AllowPrivate: true}), []string{"127.0.0.1:" + port}, nil), outside.URL+"/?to="+url.QueryEscape(inside.URL))
	require.ErrorContains(t, err, "is none of those that this workspace may call")

	asked := 0
	loop, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/", http.StatusFound)
	})
	_, err = get(t, NewClient(transport(t, Config{AllowPrivate: true}), nil, nil), loop.URL)
	require.ErrorContains(t, err, "redirected more than 5 times")
	require.Equal(t, 6, asked)
}

func TestASecretIsNotSentOn(t *testing.T) {
	t.Parallel()
	var seen []string
	note := func(r *http.Request) {
		seen = append(seen, r.Host[:strings.IndexByte(r.Host, ':')]+" "+r.Header.Get("X-Key")+" "+r.Header.Get("X-Plain"))
	}
	var first *httptest.Server
	_, port := serve(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		http.Redirect(w, r, first.URL+"/back", http.StatusFound)
	})
	first, _ = serve(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/":
			http.Redirect(w, r, "/same", http.StatusFound)
		case "/same":
			http.Redirect(w, r, "http://localhost:"+port, http.StatusFound)
		}
	})
	_, err := get(t, NewClient(transport(t, Config{AllowPrivate: true}), nil, []string{"x-key"}), first.URL)
	require.NoError(t, err)
	require.Equal(t, []string{"127.0.0.1 s3cret p", "127.0.0.1 s3cret p", "localhost  p", "127.0.0.1  p"}, seen)
	for other, same := range map[string]bool{"http://A.example.:80": true, "https://a.example": false, "http://a.example:81": false, "http://b.a.example": false} {
		require.Equal(t, same, sameOrigin(at(t, "http://a.example/x"), at(t, other)), other)
	}
}

func TestHeadersOfAnAnswerAreBounded(t *testing.T) {
	t.Parallel()
	server, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", maxHeaderBytes))
	})
	_, err := get(t, NewClient(transport(t, Config{AllowPrivate: true}), nil, nil), server.URL)
	require.ErrorContains(t, err, "exceeded")
}
