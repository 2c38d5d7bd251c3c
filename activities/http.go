package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"go.temporal.io/sdk/temporal"

	"sluice/workflows"
)

// maxResponseBytes of a body are kept; the outputs of all nodes travel in the result of the execution.
const maxResponseBytes = 64 << 10

// CallHTTP makes the request of an http node. A status from 300 on is an error: 408, 425, 429 and from 500 on are
// retried by the node's policy, as is a call that got no answer; the others fail the node at once.
func (a *Activities) CallHTTP(ctx context.Context, r workflows.HTTPRequest) (workflows.HTTPResponse, error) {
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return workflows.HTTPResponse{}, temporal.NewNonRetryableApplicationError("invalid request: "+err.Error(), "InvalidNode", err)
	}
	if len(r.Body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Idempotency-Key", r.IdempotencyKey)
	for name, header := range r.Headers {
		if header.Secret != "" {
			return workflows.HTTPResponse{}, temporal.NewNonRetryableApplicationError("there are no secrets", "InvalidNode", nil)
		}
		request.Header.Set(name, header.Value)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return workflows.HTTPResponse{}, fmt.Errorf("call %s: %w", r.URL, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxResponseBytes+1))
	if err != nil {
		return workflows.HTTPResponse{}, fmt.Errorf("read answer of %s: %w", r.URL, err)
	}
	if response.StatusCode >= 300 {
		return workflows.HTTPResponse{}, statusError(r, response.StatusCode, body)
	}
	out := workflows.HTTPResponse{Status: response.StatusCode}
	if len(body) > maxResponseBytes {
		body, out.Truncated = body[:maxResponseBytes], true
	}
	if out.Body, err = bodyJSON(body); err != nil {
		return out, err
	}
	return out, nil
}

func statusError(r workflows.HTTPRequest, status int, body []byte) error {
	message := fmt.Sprintf("%s %s answered %d %s", r.Method, r.URL, status, http.StatusText(status))
	if text := strings.TrimSpace(string(body[:min(len(body), 200)])); text != "" {
		message += ": " + strings.ToValidUTF8(text, "?")
	}
	retry := status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests || status >= 500
	if retry {
		return errors.New(message)
	}
	return temporal.NewNonRetryableApplicationError(message, "HTTPStatus", nil)
}

// bodyJSON keeps a JSON body as it came and makes a JSON string of any other.
func bodyJSON(body []byte) (json.RawMessage, error) {
	if len(body) == 0 || json.Valid(body) {
		return body, nil
	}
	text, err := json.Marshal(strings.ReplaceAll(strings.ToValidUTF8(string(body), "\uFFFD"), "\x00", ""))
	if err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return text, nil
}
