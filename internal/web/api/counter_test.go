package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"sluice/internal/store"
	"sluice/internal/web/access"
)

func TestOneTokenDoesNotTakeAllThatMayBeUnderWay(t *testing.T) {
	t.Parallel()
	w := newCounter(mostWaits, mostWaitsOfOne)
	one, another := uuid.New(), uuid.New()
	var leave func()
	for range mostWaitsOfOne {
		left, ok := w.enter(one)
		require.True(t, ok)
		leave = left
	}
	_, ok := w.enter(one)
	require.False(t, ok)
	_, ok = w.enter(another)
	require.True(t, ok)
	leave()
	_, ok = w.enter(one)
	require.True(t, ok)
	for range mostWaits {
		w.enter(uuid.New())
	}
	_, ok = w.enter(another)
	require.False(t, ok, "all together")
}

func TestTokensOfWorkspacesKeepNoOperatorOutOfBulkOperations(t *testing.T) {
	t.Parallel()
	c := newCounters(mostBulk, mostBulkOfOne)
	of := func(operator bool) access.Caller { return access.Caller{Operator: operator, Token: uuid.New()} }
	for _, operator := range []bool{false, true} {
		first := of(operator)
		leave, ok := c.enter(first)
		require.True(t, ok)
		_, ok = c.enter(first)
		require.False(t, ok, "one of a token")
		for range mostBulk - 1 {
			_, ok = c.enter(of(operator))
			require.True(t, ok)
		}
		_, ok = c.enter(of(operator))
		require.False(t, ok, "all of the kind together")
		leave()
		_, ok = c.enter(of(operator))
		require.True(t, ok)
	}
}

func TestAWorkspaceWithManyTokensKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	a := &API{ordinary: newCounters(mostOrdinary, mostOrdinaryOfOne), waits: newCounters(mostWaits, mostWaitsOfOne)}
	workspace, r := uuid.New(), httptest.NewRequest(http.MethodGet, "/api/v1/items", nil)
	waits := httptest.NewRequest(http.MethodGet, "/api/v1/items/x?wait=1s", nil)
	for range 2 * mostWaits { // each with another of its tokens
		who := access.Caller{Workspace: workspace, Token: uuid.New()}
		a.enter(who, r)
		a.enter(who, waits)
	}
	for _, another := range []access.Caller{{Workspace: uuid.New(), Token: uuid.New()}, {Operator: true, Token: uuid.New()}} {
		for _, r := range []*http.Request{r, waits} {
			_, ok := a.enter(another, r)
			require.True(t, ok)
		}
	}
	for range 2 * mostWaits { // many workspaces
		a.enter(access.Caller{Workspace: uuid.New()}, r)
		a.enter(access.Caller{Workspace: uuid.New()}, waits)
	}
	for _, r := range []*http.Request{r, waits} {
		_, ok := a.enter(access.Caller{Operator: true, Token: uuid.New()}, r)
		require.True(t, ok, "an operator")
	}
}

func TestOneWorkspaceReadsInItsPlacesOnly(t *testing.T) {
	t.Parallel()
	p := newPlaces(2, time.Minute)
	workspace := uuid.New()
	of := func() access.Caller { return access.Caller{Workspace: workspace, Token: uuid.New()} }
	take := func(who access.Caller) (leave func()) {
		t.Helper()
		leave, err := p.take(t.Context(), placesOf(who))
		require.NoError(t, err)
		return leave
	}
	first, second := take(of()), take(of())
	another, operator := take(access.Caller{Workspace: uuid.New()}), take(access.Caller{Operator: true})
	given := make(chan func())
	go func() {
		leave, err := p.take(t.Context(), placesOf(of()))
		assert.NoError(t, err)
		given <- leave
	}()
	require.Eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.of[workspace].users == 3
	}, time.Minute, time.Millisecond, "another of its tokens waits")
	first()
	third := <-given

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := p.take(ctx, placesOf(of()))
	require.ErrorIs(t, err, context.Canceled)
	p.patience = time.Millisecond
	_, err = p.take(t.Context(), placesOf(of()))
	var problem *Problem
	require.ErrorAs(t, err, &problem)
	require.Equal(t, http.StatusTooManyRequests, problem.Status)
	require.Equal(t, "too-many", problem.Code)
	require.Equal(t, "1", problem.GetHeaders().Get("Retry-After"))
	for _, leave := range []func(){second, third, another, operator} {
		leave()
	}
	require.Empty(t, p.of, "nothing is kept of those who have left")
}

func TestOnlyWhoWaitsForAnItemCountsAsOneWhoWaits(t *testing.T) {
	t.Parallel()
	s := &API{ordinary: newCounters(0, 0), waits: newCounters(1, 1)}
	_, ok := s.enter(access.Caller{}, httptest.NewRequest(http.MethodPost, "/api/v1/items?wait=1s", nil))
	require.False(t, ok)
	_, ok = s.enter(access.Caller{}, httptest.NewRequest(http.MethodGet, "/api/v1/items/x?wait=1s", nil))
	require.True(t, ok)
}

func TestARequestThatWaitsHoldsNoBody(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]string{http.MethodGet: "", http.MethodPost: `{"a": 1}`} {
		r := httptest.NewRequest(method, "/api/v1/items/x?wait=1s", strings.NewReader(`{"a": 1}`))
		r.Header.Set("Content-Type", "application/json")
		require.Nil(t, readBody(httptest.NewRecorder(), r))
		raw, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		require.Equal(t, want, string(raw))
	}
}

func TestWhoDoesNotKnowWhetherItIsDoneIsNotToldToDoItAgain(t *testing.T) {
	t.Parallel()
	s := &API{config: Config{Log: slog.New(slog.DiscardHandler)}}
	gone, leave := context.WithCancel(t.Context())
	leave()
	for _, ctx := range []context.Context{t.Context(), gone} {
		p := s.problemOf(ctx, access.Caller{}, fmt.Errorf("enqueue: %w: %w", store.ErrDoubtful, errors.New("read tcp 10.0.0.7: reset")))
		require.Equal(t, "doubtful", p.Code)
		require.Empty(t, p.GetHeaders())
		require.NotContains(t, p.Detail, "10.0.0.7", "nothing of the inside is told")
	}
	require.Equal(t, "1", s.problemOf(t.Context(), access.Caller{}, fmt.Errorf("enqueue: %w", store.ErrBusy)).GetHeaders().Get("Retry-After"))
	closed := s.problemOf(t.Context(), access.Caller{}, fmt.Errorf("enqueue: %w", io.ErrUnexpectedEOF))
	require.Equal(t, "unavailable", closed.Code, "a connection that the server has closed")
	require.Equal(t, "1", closed.GetHeaders().Get("Retry-After"))
}
