package forged_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/callback"
	"sluice/internal/chaos/forged"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/schema"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// serve serves a handler as a worker serves its endpoint.
func serve(t *testing.T, h http.Handler) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.MaxHeaderBytes = 64 << 10
	server.Start()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// callbacks are those of two items, and the endpoint to which they lead.
func callbacks(t *testing.T, looked *atomic.Int64) (endpoint *callback.Endpoint, one, other forged.Callback) {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := store.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, catalog.Pair(t.Context(), pool, "default", "an id"))
	endpoint = callback.New(callback.Config{DB: pool, URL: "http://127.0.0.1:1/ended", Logger: slog.New(slog.DiscardHandler),
		Look: func(context.Context, uuid.UUID, string) error { looked.Add(1); return nil }})
	of := func() forged.Callback {
		made := endpoint.Of(t.Context(), uuid.New())
		require.Len(t, made, 1)
		return forged.Callback{Header: made[0].GetNexus().GetHeader(), Namespace: "default", WorkflowID: "ticket-1", RunID: uuid.NewString()}
	}
	return endpoint, of(), of()
}

func TestAnEndpointAnswersEachCallAsItMust(t *testing.T) {
	t.Parallel()
	var looked atomic.Int64
	endpoint, one, other := callbacks(t, &looked)
	at := serve(t, endpoint)
	for _, call := range forged.Refused(one, other) {
		status, err := call.Send(t.Context(), at)
		require.NoError(t, err)
		require.Equal(t, call.Want, status, call.Name)
	}
	require.Zero(t, looked.Load(), "nothing is looked at that nobody has signed")
	repeated := forged.Repeated(one, other)
	for _, call := range repeated {
		status, err := call.Send(t.Context(), at)
		require.NoError(t, err)
		require.Equal(t, call.Want, status, call.Name)
	}
	require.EqualValues(t, len(repeated), looked.Load())
}

// An endpoint that does not check the signature is found out by each call that lacks one.
func TestAnEndpointThatTakesEverythingIsFoundOut(t *testing.T) {
	t.Parallel()
	_, one, other := callbacks(t, new(atomic.Int64))
	at := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, call := range forged.Refused(one, other) {
		if call.Want != http.StatusForbidden && call.Want != http.StatusMethodNotAllowed {
			continue // refused by whatever serves the endpoint
		}
		status, err := call.Send(t.Context(), at)
		require.NoError(t, err)
		require.NotEqual(t, call.Want, status, call.Name)
	}
}

func TestACallWithoutAnAnswerIsAnError(t *testing.T) {
	t.Parallel()
	call := forged.Repeated(forged.Callback{}, forged.Callback{})[0]
	_, err := call.Send(t.Context(), "127.0.0.1:1")
	require.Error(t, err)
	hangs := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	at := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-hangs
	}))
	defer close(hangs)
	_, err = call.Send(ctx, at)
	require.Error(t, err)
}

// A call is made again until it has the right answer: its endpoint may have been away.
func TestAStormOwesCallsUntilTheyHaveTheRightAnswer(t *testing.T) {
	t.Parallel()
	var looked atomic.Int64
	endpoint, one, other := callbacks(t, &looked)
	var checks, away atomic.Bool
	at := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away.Load():
			panic(http.ErrAbortHandler)
		case checks.Load():
			endpoint.ServeHTTP(w, r)
		}
	}))
	s := forged.NewStorm([]forged.Callback{one, other}, []string{at}, rand.New(rand.NewPCG(1, 2)))
	owed := func() string {
		what, err := s.Owed(t.Context())
		require.NoError(t, err)
		return what
	}
	all := 2 * len(append(forged.Refused(one, other), forged.Repeated(one, other)...))
	away.Store(true)
	require.Regexp(t, fmt.Sprintf(`^\d+ of %d calls have not had the right answer: .+ has no answer`, all), owed())
	away.Store(false)
	require.Regexp(t, fmt.Sprintf(`^22 of %d calls have not had the right answer: .* is answered 200, not 40`, all), owed())
	require.Zero(t, looked.Load())
	checks.Store(true)
	require.Empty(t, owed())
	require.Zero(t, looked.Load(), "what is signed had its answer before")
	made := s.Made()
	ctx, cancel := context.WithCancel(t.Context())
	raged := make(chan struct{})
	go func() {
		defer close(raged)
		s.Rage(ctx)
	}()
	require.Eventually(t, func() bool { return s.Made() >= made+int64(all) }, time.Minute, time.Millisecond)
	cancel()
	<-raged
	require.Empty(t, owed())
}
