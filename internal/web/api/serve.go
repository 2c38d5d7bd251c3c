package api

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"sluice/internal/web/access"
)

// What a request may cost.
const (
	// maxBody is the most that a request may have: what Temporal takes as a workflow's input, and what is around it.
	maxBody = 2<<20 + 64<<10
	// bodyTimeout is how long a body may take to arrive.
	bodyTimeout = 10 * time.Second
	// requestTimeout is how long a request may take, unless its route says otherwise.
	requestTimeout = 30 * time.Second
	// writeTimeout is how long an answer may take to be taken.
	writeTimeout = 30 * time.Second
	// mostOrdinary is how many requests of operators are under way at once, and how many of tokens of workspaces; mostOrdinaryOfOne is how many of
	// them show the same operator's token, or one of the same workspace: who sends slowly must not keep others out.
	mostOrdinary, mostOrdinaryOfOne = 256, 64
	// mostWaits is the same for requests that wait for items.
	mostWaits, mostWaitsOfOne = 2000, 500
	// longestWait is the longest that a request may wait for an item.
	longestWait = 5 * time.Minute
)

// documentPath is where the document of the API is.
const documentPath = "/api/openapi.json"

type callerKey struct{}

func callerOf(ctx context.Context) access.Caller {
	who, _ := ctx.Value(callerKey{}).(access.Caller)
	return who
}

// ServeHTTP implements http.Handler.
func (s *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // that is how net/http compares it
				panic(p)
			}
			s.Log.Error("request panicked", "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			newProblem(http.StatusInternalServerError, "internal", "it failed inside; the log of the worker says why").write(w)
		}
	}()
	ctx, left := s.stop.enter(r.Context())
	if ctx == nil {
		Starting.ServeHTTP(w, r)
		return
	}
	defer left()
	if err := s.Guard.CheckOrigin(r); err != nil {
		s.problemOf(ctx, access.Caller{}, err).write(w)
		return
	}
	if r.URL.Path == documentPath && r.Method == http.MethodGet {
		h.Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.document) // the caller is gone
		return
	}
	who, err := s.caller(ctx, r)
	if err != nil {
		s.problemOf(ctx, access.Caller{}, err).write(w)
		return
	}
	if p := s.unrouted(r); p != nil {
		if p.Status == http.StatusMethodNotAllowed {
			h.Set("Allow", p.Hint)
			p.Hint = "allowed: " + p.Hint
		}
		p.write(w)
		return
	}
	if p := unclear(r); p != nil {
		p.write(w)
		return
	}
	leave, ok := s.enter(who, r)
	if !ok {
		newProblem(http.StatusTooManyRequests, "too-many", "too many requests are under way; try again").later().write(w)
		return
	}
	defer leave()
	if p := readBody(w, r); p != nil {
		p.write(w)
		return
	}
	if r.ContentLength > largeBody {
		done, err := s.large.take(ctx, placesOf(who))
		if err != nil {
			s.problemOf(ctx, who, err).write(w)
			return
		}
		defer done()
	}
	s.mux.ServeHTTP(deadlined{w}, r.WithContext(context.WithValue(ctx, callerKey{}, who)))
}

// caller finds out who asks.
func (s *API) caller(ctx context.Context, r *http.Request) (access.Caller, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return s.Guard.Caller(ctx, r)
}

// unrouted is a problem where there is no route. The hint of one for a method has those that there are.
func (s *API) unrouted(r *http.Request) *Problem {
	h, pattern := s.mux.Handler(r)
	if pattern != "" {
		return nil
	}
	said := httptest.NewRecorder()
	h.ServeHTTP(said, r)
	if said.Code == http.StatusMethodNotAllowed {
		p := newProblem(http.StatusMethodNotAllowed, "method", "the route has no such method")
		p.Hint = said.Header().Get("Allow")
		return p
	}
	p := newProblem(http.StatusNotFound, "no-route", "there is no such route")
	p.Hint = "they are listed in " + documentPath
	return p
}

// unclear refuses what would be taken as if it had not been said: values that are empty, or given twice.
func unclear(r *http.Request) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return newProblem(http.StatusBadRequest, "invalid", "the query cannot be read: write it as name=value&name=value, with %XX for what is special")
	}
	for name, values := range query {
		if len(values) > 1 || values[0] == "" {
			return newProblem(http.StatusUnprocessableEntity, "invalid", fmt.Sprintf("query.%.100q is empty, or given more than once: leave it out, or give it once", name))
		}
	}
	if key, given := r.Header["Idempotency-Key"]; given && (len(key) > 1 || key[0] == "") {
		return newProblem(http.StatusUnprocessableEntity, "invalid", "Idempotency-Key is empty, or given more than once: leave it out, or give it once")
	}
	return nil
}

// enter counts a request as under way until it leaves.
func (s *API) enter(who access.Caller, r *http.Request) (leave func(), ok bool) {
	if r.Method == http.MethodGet && r.URL.Query().Has("wait") {
		return s.waits.enter(who)
	}
	return s.ordinary.enter(who)
}

// readBody reads the body before anything is done, so that who sends slowly holds nothing but memory, and for a time that is bounded. The
// deadline is over then: it would end requests that wait.
func readBody(w http.ResponseWriter, r *http.Request) *Problem {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a test's recorder has none
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody-1))
	if err != nil { // the server would read on, to use the connection again
		w.Header().Set("Connection", "close")
	} else {
		_ = control.SetReadDeadline(time.Time{})
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return newProblem(http.StatusRequestEntityTooLarge, "too-large", fmt.Sprintf("the request has more than %d bytes: store large data elsewhere and pass a reference", large.Limit))
	case err != nil:
		return newProblem(http.StatusBadRequest, "invalid", "the request did not arrive whole, or not in time")
	}
	// A page can send other types to another origin without asking first.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); len(raw) > 0 && (err != nil || kind != "application/json") {
		return newProblem(http.StatusUnsupportedMediaType, "media-type", "the request must be JSON, and say so: Content-Type: application/json")
	}
	if r.Method == http.MethodGet {
		raw = nil // no route of it reads one, and a request that waits would hold it all the time
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw)) // which was not told, or not the truth
	return nil
}

// deadlined gives an answer its time from the moment on at which it begins.
type deadlined struct{ http.ResponseWriter }

func (d deadlined) WriteHeader(status int) {
	_ = http.NewResponseController(d.ResponseWriter).SetWriteDeadline(time.Now().Add(writeTimeout)) // a test's recorder has none
	d.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (d deadlined) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// counter counts what is under way.
type counter struct {
	most, mostOfOne int

	mu  sync.Mutex
	all int
	of  map[uuid.UUID]int // by workspace, else by token
}

func newCounter(most, mostOfOne int) *counter {
	return &counter{most: most, mostOfOne: mostOfOne, of: map[uuid.UUID]int{}}
}

func (c *counter) enter(one uuid.UUID) (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.most || c.of[one] >= c.mostOfOne {
		return nil, false
	}
	c.all++
	c.of[one]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.of[one]--; c.of[one] == 0 {
			delete(c.of, one)
		}
	}, true
}

// counters count operators and tokens of workspaces apart: however many of the one kind there are, they keep none of the other out. A workspace
// may have many tokens, which count as one.
type counters struct{ operators, workspaces *counter }

func newCounters(most, mostOfOne int) counters {
	return counters{newCounter(most, mostOfOne), newCounter(most, mostOfOne)}
}

func (c counters) enter(who access.Caller) (leave func(), ok bool) {
	if who.Operator {
		return c.operators.enter(who.Token)
	}
	return c.workspaces.enter(cmp.Or(who.Workspace, who.Token))
}
