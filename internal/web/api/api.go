package api

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"sluice/admin"
	"sluice/internal/estimate/keep"
	"sluice/internal/overview"
	"sluice/internal/web/access"
	"sluice/queue"
)

// Config is what the API works on.
type Config struct {
	Pool     *pgxpool.Pool // of its own: what callers ask for must not keep the dispatcher waiting
	Temporal client.Client
	Guard    *access.Guard
	// Link leads to a workflow in Temporal's Web UI; nil where that is not known.
	Link func(workflowID, runID string) string
	Log  *slog.Logger
}

type config = Config // what an API is made of is nobody's to change

// API answers the requests below /api/.
type API struct {
	config
	queue       *queue.Client
	office      *admin.Client
	overview    overview.Source
	mux         *http.ServeMux
	document    []byte
	ordinary    counters
	waits       counters
	reading     *places
	keyed       *places
	large       *places
	bulks       counters
	audits      chan struct{}
	simulations counters
	stop        stopping
}

// New returns an API.
func New(c Config) (*API, error) {
	s := &API{
		config: c, queue: queue.New(c.Pool), office: admin.New(c.Pool), mux: http.NewServeMux(),
		ordinary: newCounters(mostOrdinary, mostOrdinaryOfOne), waits: newCounters(mostWaits, mostWaitsOfOne),
		reading: newPlaces(mostReading, placePatience), keyed: newPlaces(mostKeyed, placePatience),
		large: newPlaces(mostLarge, placePatience), bulks: newCounters(mostBulk, mostBulkOfOne), simulations: newCounters(1, 1), audits: make(chan struct{}, 1),
	}
	s.stop.begun, s.stop.begin = context.WithCancel(context.Background())
	dial := func(context.Context) (client.Client, error) { return c.Temporal, nil }
	s.overview = overview.Source{Pool: c.Pool, Dial: dial, AtOnce: dial, Link: c.Link}
	if c.Link == nil {
		s.overview.Link = func(string, string) string { return "" }
	}
	s.overview.Estimate = keep.New(c.Pool, c.Log).Look
	var err error
	if s.document, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// routes adds all routes to the mux, and returns the document of them.
func (s *API) routes() ([]byte, error) {
	h := humago.New(s.mux, settings())
	s.items(h)
	s.enqueues(h)
	s.bulk(h)
	s.workspaces(h)
	s.tiers(h)
	s.definitions(h)
	s.controls(h)
	s.status(h)
	s.simulate(h)
	document, err := json.Marshal(h.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("make the API's document: %w", err)
	}
	return document, nil
}

// Document is the document of the API; it needs none of the servers that an API works on.
func Document() ([]byte, error) {
	s := &API{mux: http.NewServeMux()}
	return s.routes()
}

const description = `Put workflows and definitions into the queue, see what becomes of them, and administer workspaces and limits.

Every request needs a token (Authorization: Bearer sluice_…), unless there is none in the database and the worker listens on loopback. A token
of one workspace sees and touches that workspace only. Errors are problems (RFC 9457); their member code says in a word what it is.`

// settings are those of huma: JSON and nothing else, unknown query parameters are refused, and the document is served by ourselves.
func settings() huma.Config {
	format := jsonFormat()
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "Sluice", Version: "1", Description: description},
			Components: &huma.Components{
				Schemas:         newRegistry(),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}},
			},
			Tags: []*huma.Tag{
				{Name: "items", Description: "What is in the queue, and what has become of it."}, {Name: "workspaces", Description: "Workspaces, their plans and limits."},
				{Name: "definitions", Description: "Graphs of nodes that Sluice runs itself."}, {Name: "operation", Description: "How it all is."},
			},
		},
		Formats:                      map[string]huma.Format{"application/json": format, "json": format},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	}
}

// grant is what a caller must be allowed.
type grant int

const (
	reads          grant = iota // of what is the caller's to see
	writes                      // of the same
	operatorReads               // of everything
	operatorWrites              // of everything
)

// words are how the document says it.
var words = map[grant]string{
	reads: "Any token.", writes: "A token of a workspace, or one of role operator-write.",
	operatorReads: "A token of an operator.", operatorWrites: "A token of role operator-write.",
}

func (g grant) allows(who access.Caller) bool {
	switch g {
	case reads:
		return true
	case writes:
		return who.Writes
	case operatorReads:
		return who.Operator
	}
	return who.Operator && who.Writes
}

// route is one of the API.
type route struct {
	huma.Operation
	grant   grant
	timeout time.Duration // defaults to requestTimeout
	itself  bool          // one that reads takes its place itself
}

// register adds a route. What it does gets the caller, and a context that ends in time.
func register[I, O any](s *API, h huma.API, r route, do func(context.Context, access.Caller, *I) (*O, error)) {
	op := r.Operation
	op.Description = join(op.Description, "Needs: "+words[r.grant])
	op.Security = []map[string][]string{{"token": {}}}
	op.MaxBodyBytes, op.BodyReadTimeout = maxBody, -1 // serve has read it
	op.Middlewares = huma.Middlewares{func(ctx huma.Context, next func(huma.Context)) {
		if !r.grant.allows(callerOf(ctx.Context())) {
			_, w := humago.Unwrap(ctx)
			newProblem(http.StatusForbidden, "forbidden", "the token may not do this. Needs: "+words[r.grant]).write(w)
			return
		}
		next(ctx)
	}, withoutNulls(h)}
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	timeout := r.timeout
	if timeout == 0 {
		timeout = requestTimeout
	}
	huma.Register(h, op, func(ctx context.Context, in *I) (*O, error) {
		who := callerOf(ctx)
		if r.Method == http.MethodGet && !r.itself {
			leave, err := s.reading.take(ctx, placesOf(who))
			if err != nil {
				return nil, s.problemOf(ctx, who, err)
			}
			defer leave()
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		out, err := do(ctx, who, in)
		if err != nil {
			return nil, s.problemOf(ctx, who, err)
		}
		return out, nil
	})
	if _, ok := op.Responses["default"]; !ok { // huma leaves it out where there are several answers
		op.Responses["default"] = problemResponse(h.OpenAPI().Components.Schemas)
	}
}

func join(text, more string) string {
	if text == "" {
		return more
	}
	return text + "\n\n" + more
}

// body is an answer that is nothing but a body.
type body[T any] struct{ Body T }

func answer[T any](value T, err error) (*body[T], error) {
	if err != nil {
		return nil, err
	}
	return &body[T]{value}, nil
}
