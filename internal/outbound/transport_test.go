package outbound

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// net/http goes on with a connection whose request has ended: a call would take more than its place, for longer than it has one.
func TestAConnectionThatIsBeingMadeEndsWithItsCall(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	client := NewClient(transport(t, Config{AllowPrivate: true}), nil, nil)
	ctx, end := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+silent.Addr().String(), nil)
	require.NoError(t, err)
	called := make(chan error, 1)
	go func() {
		_, err := client.Do(request) //nolint:bodyclose // there is no answer
		called <- err
	}()
	conn, err := silent.Accept()
	require.NoError(t, err)
	hello := make([]byte, 16<<10)
	_, err = conn.Read(hello) // and never shakes hands
	require.NoError(t, err)

	end()
	require.ErrorIs(t, <-called, context.Canceled)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second))) // less than a handshake may take
	_, err = conn.Read(hello)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is still open")
}
