package callback

import (
	"crypto/hmac"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"sluice/internal/metric"
)

const (
	// callsAtOnce is how many calls are looked at at once. Others wait, and the server waits for them, which it does for ten seconds.
	callsAtOnce = 128
	// mostBody is how much of a body is read, so that its connection can be used again: a result has 2 MB at most.
	mostBody = 4 << 20
)

// ServeHTTP takes a call. A valid one is answered with 200 when the item has been looked at.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "callbacks are posted", http.StatusMethodNotAllowed)
		return
	}
	ctx := r.Context()
	item, err := uuid.Parse(r.Header.Get(headerItem))
	if err != nil {
		e.refuse(w, "there is no item in "+headerItem)
		return
	}
	secret, err := e.currentSecret(ctx)
	if err != nil { // whether it is valid cannot be told, and recovery finds what it is about
		e.count("unread")
		return
	}
	if !hmac.Equal([]byte(sign(secret, item)), []byte(r.Header.Get(headerSignature))) {
		e.refuse(w, headerSignature+" is not that of the item")
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, mostBody)) // first: a body that comes slowly must not keep a place
	select {
	case e.places <- struct{}{}:
		defer func() { <-e.places }()
	case <-ctx.Done():
		return // the server has given the call up
	}
	if err := e.config.Look(ctx, item, closedRun(r.Header.Values("Nexus-Link"))); err != nil {
		e.config.Logger.Debug("a callback was not looked at; recovery finds what it said", "item", item, "error", err)
		e.count("failed")
		return
	}
	e.count("taken")
}

func (e *Endpoint) refuse(w http.ResponseWriter, why string) {
	e.count("refused")
	http.Error(w, why, http.StatusForbidden)
}

func (e *Endpoint) count(result string) {
	metric.Callbacks.Add(e.config.Metrics, 1, result)
}

// closedRun is the run that a call names in its link, <temporal:///namespaces/NAMESPACE/workflows/ID/RUN/history?…>; empty where there
// is none. Nobody signs the link: it only says which run need not be looked at because its end is on record.
func closedRun(links []string) string {
	if len(links) != 1 {
		return ""
	}
	link, _, _ := strings.Cut(strings.TrimPrefix(links[0], "<"), ">")
	parsed, err := url.Parse(link)
	if err != nil {
		return ""
	}
	parts := strings.Split(strings.Trim(parsed.EscapedPath(), "/"), "/")
	if len(parts) != 6 || parts[0] != "namespaces" || parts[2] != "workflows" || parts[5] != "history" {
		return ""
	}
	return parts[4]
}
