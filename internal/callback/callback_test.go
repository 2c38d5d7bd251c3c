package callback_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"sluice/internal/callback"
	"sluice/internal/devstack/devtest"
	"sluice/internal/store"
	"sluice/internal/store/catalog"
	"sluice/schema"
)

// looked is what an endpoint has had looked at.
type looked struct {
	mu   sync.Mutex
	at   []string // the item and the run
	fail error
}

func (l *looked) look(_ context.Context, item uuid.UUID, runID string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, item.String()+" "+runID)
	return l.fail
}

func database(t testing.TB) *pgxpool.Pool {
	t.Helper()
	url := devtest.PostgresFrom(t, "sluice", func(ctx context.Context, url string) error {
		_, err := schema.Migrate(ctx, url)
		return err
	})
	pool, err := store.Open(t.Context(), url, 4)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	require.NoError(t, catalog.Pair(t.Context(), pool, "default", "an id"))
	return pool
}

func endpoint(db store.DB, l *looked) *callback.Endpoint {
	return callback.New(callback.Config{DB: db, URL: "http://127.0.0.1:8078/callback", Look: l.look, Logger: slog.New(slog.DiscardHandler)})
}

// call makes the call that Temporal makes for the callback of an item's start.
func call(t *testing.T, e *callback.Endpoint, item uuid.UUID, change func(http.Header)) *http.Request {
	t.Helper()
	callbacks := e.Of(t.Context(), item)
	require.Len(t, callbacks, 1)
	require.Equal(t, "http://127.0.0.1:8078/callback", callbacks[0].GetNexus().GetUrl())
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/callback", strings.NewReader(`{"any": "result"}`))
	for name, value := range callbacks[0].GetNexus().GetHeader() {
		r.Header.Set(name, value)
	}
	r.Header.Set("Nexus-Link", `<temporal:///namespaces/default/workflows/invoice%2F1/run-1/history?eventID=1&eventType=WorkflowExecutionStarted&referenceType=EventReference>; type="temporal.api.common.v1.Link.WorkflowEvent"`)
	if change != nil {
		change(r.Header)
	}
	return r
}

func answer(e *callback.Endpoint, r *http.Request) int {
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Code
}

func TestACallIsLookedAtByWhicheverWorkerTakesIt(t *testing.T) {
	t.Parallel()
	db, l, item := database(t), &looked{}, uuid.New()
	r := call(t, endpoint(db, &looked{}), item, nil)
	require.Equal(t, http.StatusOK, answer(endpoint(db, l), r))
	require.Equal(t, []string{item.String() + " run-1"}, l.at)
}

func TestACallIsTakenAgain(t *testing.T) {
	t.Parallel()
	l, item := &looked{}, uuid.New()
	e := endpoint(database(t), l)
	for range 3 {
		require.Equal(t, http.StatusOK, answer(e, call(t, e, item, nil)))
	}
	require.Len(t, l.at, 3, "what is on record is not a matter of the endpoint")
}

// An answer of 5xx would hold up the calls about all other workflows.
func TestACallThatCannotBeLookedAtIsTaken(t *testing.T) {
	t.Parallel()
	l := &looked{fail: errors.New("Temporal is away")}
	e := endpoint(database(t), l)
	require.Equal(t, http.StatusOK, answer(e, call(t, e, uuid.New(), nil)))
	require.Len(t, l.at, 1)
}

// Whoever can read the signature of a callback may send calls whose bodies never come.
func TestCallsWhoseBodiesComeSlowlyKeepNoOtherFromBeingTaken(t *testing.T) {
	t.Parallel()
	l := &looked{}
	e := endpoint(database(t), l)
	slow := call(t, e, uuid.New(), nil)
	var held sync.WaitGroup
	var bodies []*io.PipeWriter
	for range 200 {
		body, end := io.Pipe()
		bodies = append(bodies, end)
		r := slow.Clone(t.Context())
		r.Body = body
		held.Go(func() { answer(e, r) })
		_, err := end.Write([]byte("x")) // it is being read
		require.NoError(t, err)
	}
	require.Equal(t, http.StatusOK, answer(e, call(t, e, uuid.New(), nil)))
	for _, body := range bodies {
		require.NoError(t, body.Close())
	}
	held.Wait()
	require.Len(t, l.at, 201)
}

func TestForgedCallsAreRefused(t *testing.T) {
	t.Parallel()
	l := &looked{}
	db := database(t)
	e := endpoint(db, l)
	other := call(t, e, uuid.New(), nil)
	for name, change := range map[string]func(http.Header){
		"no signature":         func(h http.Header) { h.Del("Sluice-Signature") },
		"an empty one":         func(h http.Header) { h.Set("Sluice-Signature", "") },
		"another item's":       func(h http.Header) { h.Set("Sluice-Signature", other.Header.Get("Sluice-Signature")) },
		"a part of it":         func(h http.Header) { h.Set("Sluice-Signature", h.Get("Sluice-Signature")[:63]) },
		"no item":              func(h http.Header) { h.Del("Sluice-Item") },
		"something else":       func(h http.Header) { h.Set("Sluice-Item", "'; DROP TABLE running") },
		"another item's items": func(h http.Header) { h.Set("Sluice-Item", uuid.NewString()) },
	} {
		require.Equal(t, http.StatusForbidden, answer(e, call(t, e, uuid.New(), change)), name)
	}
	get := call(t, e, uuid.New(), nil)
	get.Method = http.MethodGet
	require.Equal(t, http.StatusMethodNotAllowed, answer(e, get))
	require.Empty(t, l.at)

	_, err := catalog.Move(t.Context(), db, "elsewhere", "another id", true)
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, answer(endpoint(db, l), call(t, e, uuid.New(), nil)), "of the namespace that the database has left")
	require.Empty(t, l.at)
}

// What the link says is only for not looking twice: anything in it does no harm.
func TestTheRunOfACallIsReadFromItsLink(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]string{
		"":          "",
		"<>":        "",
		"<temporal": "",
		"<temporal:///namespaces/n/workflows/w/r/history>":     "r",
		"temporal:///namespaces/n/workflows/w/r/history":       "r",
		"<temporal:///namespaces/n/workflows/a%2Fb/r/history>": "r",
		"<temporal:///namespaces/n/workflows/w/r>":             "",
		"<https://elsewhere/x/n/workflows/w/r/history>":        "",
	} {
		l, item := &looked{}, uuid.New()
		e := endpoint(database(t), l)
		require.Equal(t, http.StatusOK, answer(e, call(t, e, item, func(h http.Header) { h.Set("Nexus-Link", link) })))
		require.Equal(t, []string{item.String() + " " + want}, l.at, link)
	}
}

func TestStartsHaveNoCallbackWhereTemporalRefusesIt(t *testing.T) {
	t.Parallel()
	e := endpoint(database(t), &looked{})
	r := call(t, e, uuid.New(), nil)
	e.Suspend(errors.New("invalid url: url does not match any configured callback address"))
	require.Empty(t, e.Of(t.Context(), uuid.New()))
	require.Equal(t, http.StatusOK, answer(e, r), "those of before are taken")
	without := callback.New(callback.Config{DB: database(t), Look: (&looked{}).look})
	require.Empty(t, without.Of(t.Context(), uuid.New()))
}
