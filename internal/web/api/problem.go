package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/api/serviceerror"

	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/web/access"
)

// Problem is an error as RFC 9457 has it.
type Problem struct {
	Title  string  `json:"title" doc:"What the status means."`
	Status int     `json:"status" doc:"The HTTP status."`
	Code   string  `json:"code" doc:"What it is, in one word that stays the same."`
	Detail string  `json:"detail" doc:"What is wrong, for people."`
	Hint   string  `json:"hint,omitempty" doc:"How to mend it."`
	Faults []Fault `json:"faults,omitempty" doc:"What of the request is wrong, one by one."`

	retryAfter string
}

// Fault is one thing that is wrong with a request.
type Fault struct {
	Where string `json:"where,omitempty" doc:"The place in the request, such as body.priority."`
	What  string `json:"what" doc:"What is wrong there."`
}

const problemType = "application/problem+json"

func newProblem(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter != "" {
		h.Set("Retry-After", p.retryAfter)
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	return h
}

// write answers with the problem where huma is not asked.
func (p *Problem) write(w http.ResponseWriter) {
	for name, values := range p.GetHeaders() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller is gone
}

func problemResponse(r huma.Registry) *huma.Response {
	return &huma.Response{Description: "A problem.", Content: map[string]*huma.MediaType{
		problemType: {Schema: r.Schema(reflect.TypeFor[Problem](), true, "")},
	}}
}

// What huma finds wrong with a request becomes a Problem, too, no list is null, and names are what the document says, to the letter. It keeps these in variables of its package; nothing else in
// this program uses huma.
func init() {
	huma.DefaultArrayNullable = false
	huma.ValidateStrictCasing = true
	huma.NewError = func(status int, message string, faults ...error) huma.StatusError {
		code := map[int]string{http.StatusRequestEntityTooLarge: "too-large", http.StatusUnsupportedMediaType: "media-type", http.StatusInternalServerError: "internal"}[status]
		if code == "" {
			code = "invalid"
		}
		p := newProblem(status, code, message)
		if status >= http.StatusInternalServerError {
			return p
		}
		for _, fault := range faults {
			var detail *huma.ErrorDetail
			if errors.As(fault, &detail) { // its value stays where it came from: it may be as large as the body
				p.Faults = append(p.Faults, Fault{Where: detail.Location, What: cut(detail.Message)})
			} else if fault != nil {
				p.Faults = append(p.Faults, Fault{What: cut(fault.Error())})
			}
		}
		if len(p.Faults) > 0 {
			p.Detail = strings.TrimPrefix(p.Faults[0].Where+": "+p.Faults[0].What, ": ")
		}
		return p
	}
}

// cut is a text that may repeat what was sent.
func cut(text string) string {
	const most = 500
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// kinds are what a request can be refused for, and what that is in HTTP.
var kinds = []struct {
	err    error
	status int
	code   string
}{
	{store.ErrUnknownWorkspace, http.StatusNotFound, "unknown-workspace"},
	{store.ErrUnknownDefinition, http.StatusNotFound, "unknown-definition"},
	{store.ErrUnknownItem, http.StatusNotFound, "unknown-item"},
	{store.ErrForeignDefinition, http.StatusUnprocessableEntity, "foreign-definition"},
	{store.ErrTooManyDefinitions, http.StatusUnprocessableEntity, "too-many-definitions"},
	{store.ErrUnknownPlan, http.StatusUnprocessableEntity, "unknown-plan"},
	{store.ErrInvalid, http.StatusUnprocessableEntity, "invalid"},
	{store.ErrNotRetryable, http.StatusConflict, "not-retryable"},
	{store.ErrKeyHeld, http.StatusConflict, "key-held"},
	{operate.ErrEnded, http.StatusConflict, "ended"},
	{operate.ErrNotOpen, http.StatusConflict, "not-open"},
	{operate.ErrRefused, http.StatusConflict, "refused"},
	{store.ErrBusy, http.StatusServiceUnavailable, "busy"},
	{operate.ErrNotRunning, http.StatusServiceUnavailable, "dispatcher-not-running"},
	{operate.ErrNoWorker, http.StatusServiceUnavailable, "no-worker"},
}

// problemOf is the one mapping of errors to problems.
func (s *API) problemOf(ctx context.Context, who access.Caller, err error) *Problem {
	var p *Problem
	var refusal *access.Refusal
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refusal):
		if p = newProblem(refusal.Status, refusal.Code, refusal.Message); p.Status == http.StatusTooManyRequests {
			p.later()
		}
		return p
	case !who.Operator && (errors.Is(err, store.ErrForeignDefinition) || errors.Is(err, store.ErrUnknownDefinition)):
		// What is another's is as what there is not.
		return newProblem(http.StatusNotFound, "unknown-definition", "the workspace has no such workflow definition")
	case errors.Is(err, store.ErrDoubtful): // whatever has become of the request, who tries again on being told to might do it twice
		s.Log.Warn("it is not known whether a request has been carried out", "error", err)
		p = newProblem(http.StatusServiceUnavailable, "doubtful", "Postgres did not say whether it has committed: the items are enqueued, or they are not")
		p.Hint = "see whether they are there before you send them again; with unique keys that would be safe"
		return p
	}
	for _, kind := range kinds {
		if errors.Is(err, kind.err) {
			return asProblem(kind.status, kind.code, err)
		}
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled): // or its caller is gone
		return newProblem(http.StatusServiceUnavailable, "starting", "the worker is stopping; try again").later()
	case ctx.Err() != nil:
		s.Log.Warn("request took too long", "error", err)
		return newProblem(http.StatusGatewayTimeout, "timeout", "it took too long; try again").later()
	case isUnavailable(err):
		s.Log.Warn("request could not be answered", "error", err)
		return newProblem(http.StatusServiceUnavailable, "unavailable", "Postgres or Temporal does not answer; /readyz says which").later()
	}
	s.Log.Error("request failed", "error", err)
	return newProblem(http.StatusInternalServerError, "internal", "it failed inside; the log of the worker says why")
}

// asProblem says what is wrong in the words of the error.
func asProblem(status int, code string, err error) *Problem {
	p := newProblem(status, code, err.Error())
	var request *store.RequestError
	if errors.As(err, &request) && request.Hint != "" {
		p.Hint = request.Hint
		p.Detail = strings.TrimSuffix(p.Detail, " ("+request.Hint+")")
	}
	if status == http.StatusServiceUnavailable {
		p.later()
	}
	return p
}

// later says that the same may work in a moment.
func (p *Problem) later() *Problem {
	p.retryAfter = "1"
	return p
}

// isUnavailable tells a server that does not answer, or says that it cannot now.
func isUnavailable(err error) bool {
	var network net.Error
	var connecting *pgconn.ConnectError
	var pg *pgconn.PgError
	var unavailable *serviceerror.Unavailable
	var exhausted *serviceerror.ResourceExhausted
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "08", "53", "57": // connection, resources, shutdown
			return true
		}
		return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == "55P03" || pg.Code == "25006"
	}
	return errors.As(err, &connecting) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || // the last is a connection that was closed
		errors.As(err, &unavailable) || errors.As(err, &exhausted) || pgconn.SafeToRetry(err)
}
