package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"go.temporal.io/sdk/temporal"

	"sluice/internal/definition"
	"sluice/internal/outbound"
	"sluice/internal/store/facts"
	"sluice/workflows"
)

// maxResponseBytes of a body are kept; the outputs of all nodes travel in the result of the execution.
const maxResponseBytes = 64 << 10

// call makes the request of an http node. A status from 300 on is an error: 408, 425, 429 and from 500 on are
// retried by the node's policy, as is a call that got no answer; the others fail the node at once, and so does what the
// workspace may not reach. What it returns, errors included, shows no secret.
func (a *Activities) call(ctx context.Context, reach facts.Reach, r workflows.HTTPRequest) (workflows.HTTPResponse, error) {
	to, err := url.Parse(r.URL)
	if err != nil {
		return workflows.HTTPResponse{}, refusedCall("invalid request: " + err.Error())
	}
	if err := outbound.Check(reach.AllowedHosts, to); err != nil {
		return workflows.HTTPResponse{}, callError(to, err, nil)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return workflows.HTTPResponse{}, refusedCall("invalid request: " + err.Error())
	}
	if len(r.Body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Idempotency-Key", r.IdempotencyKey)
	var secrets []outbound.Secret
	var secretHeaders []string
	for name, header := range r.Headers {
		if header.Secret == "" {
			request.Header.Set(name, header.Value)
			continue
		}
		secret, err := a.secrets.Find(reach.WorkspaceID, header.Secret, to)
		if err != nil {
			return workflows.HTTPResponse{}, callError(to, err, nil)
		}
		request.Header.Set(name, secret.Value())
		secrets, secretHeaders = append(secrets, secret), append(secretHeaders, name)
	}
	response, err := outbound.NewClient(a.transport, reach.AllowedHosts, secretHeaders).Do(request)
	if err != nil {
		return workflows.HTTPResponse{}, callError(to, err, secrets)
	}
	defer func() { _ = response.Body.Close() }()
	// A secret at the end of what is kept is read as a whole.
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes+1+int64(len(secrets)*definition.MaxHeaderValue)))
	if err != nil {
		return workflows.HTTPResponse{}, callError(to, fmt.Errorf("read the answer: %w", err), secrets)
	}
	if len(secrets) > 0 {
		body = []byte(outbound.Scrub(string(body), secrets))
	}
	if response.StatusCode >= 300 {
		return workflows.HTTPResponse{}, statusError(r.Method, to, response.StatusCode, body)
	}
	out := workflows.HTTPResponse{Status: response.StatusCode}
	if len(body) > maxResponseBytes {
		body, out.Truncated = body[:maxResponseBytes], true
	}
	var cut bool
	out.Body, cut, err = bodyJSON(body)
	out.Truncated = out.Truncated || cut
	return out, err
}

// refusedCall is an error that no attempt will mend.
func refusedCall(message string) error {
	return temporal.NewNonRetryableApplicationError(message, "InvalidNode", nil)
}

// callError is why there is no answer. It holds the text of the error and not the error itself: Temporal keeps what is wrapped
// too, and that may show a secret, what an internal name resolves to, or where the worker is.
func callError(to *url.URL, err error, secrets []outbound.Secret) error {
	var refused *outbound.Refused
	if errors.As(err, &refused) {
		return refusedCall("call " + to.Redacted() + ": " + refused.Reason)
	}
	return errors.New("call " + to.Redacted() + ": " + outbound.Scrub(strings.ToValidUTF8(outbound.Told(err), "?"), secrets))
}

func statusError(method string, to *url.URL, status int, body []byte) error {
	message := fmt.Sprintf("%s %s answered %d %s", method, to.Redacted(), status, http.StatusText(status))
	if text := strings.TrimSpace(string(body[:min(len(body), 200)])); text != "" {
		message += ": " + strings.ToValidUTF8(text, "?")
	}
	retry := status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests || status >= 500
	if retry {
		return errors.New(message)
	}
	return temporal.NewNonRetryableApplicationError(message, "HTTPStatus", nil)
}

// bodyJSON keeps a JSON body as it came and makes a JSON string of any other. A control character has six bytes in that, so what is kept of a text
// may be less: each answer is in the history of its execution, which ends where it is too large.
func bodyJSON(body []byte) (text json.RawMessage, cut bool, err error) {
	if len(body) == 0 || json.Valid(body) && utf8.Valid(body) {
		return body, false, nil
	}
	for kept := strings.ReplaceAll(strings.ToValidUTF8(string(body), "\uFFFD"), "\x00", ""); ; cut = true {
		plain, err := workflows.Plain(kept)
		if err != nil {
			return nil, false, err
		}
		if text = plain.Payload().GetData(); len(text) <= maxResponseBytes+len(`""`) {
			return text, cut, nil
		}
		kept = strings.ToValidUTF8(kept[:len(kept)*maxResponseBytes/len(text)], "")
	}
}
