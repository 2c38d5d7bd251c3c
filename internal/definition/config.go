package definition

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Defaults of http nodes.
const (
	DefaultHTTPTimeout  = 30 * time.Second
	DefaultHTTPAttempts = 5 // a slot is held while an endpoint fails, so not for ever
)

// MaxDelay is the longest delay.
const MaxDelay = 10 * 365 * 24 * time.Hour

// DelayConfig is the config of a delay node.
type DelayConfig struct {
	Duration Duration `json:"duration"`
}

// HTTPConfig is the config of an http node. A response below 300 is a success; 408, 425, 429 and from 500 on are
// retried; anything else fails the node at once.
type HTTPConfig struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"` // GET when empty
	Headers map[string]string `json:"headers,omitempty"`
	// Body is sent as JSON. When it is missing, POST, PUT and PATCH send the execution's input.
	Body    json.RawMessage `json:"body,omitempty"`
	Timeout Duration        `json:"timeout,omitzero"` // of one attempt; DefaultHTTPTimeout when zero
	Retry   Retry           `json:"retry,omitzero"`
}

// WorkflowConfig is the config of a workflow node.
type WorkflowConfig struct {
	WorkflowType string `json:"workflowType"`
	// TaskQueue is the workspace's own when empty.
	TaskQueue string `json:"taskQueue,omitempty"`
	// Input is the child's single argument; the execution's input when missing.
	Input   json.RawMessage `json:"input,omitempty"`
	Timeout Duration        `json:"timeout,omitzero"` // of the child's whole execution; unbounded when zero
	Retry   Retry           `json:"retry,omitzero"`
}

// Retry is Temporal's retry policy in its own words. Zero fields take the default of where it is used.
type Retry struct {
	InitialInterval    Duration `json:"initialInterval,omitzero"`
	BackoffCoefficient float64  `json:"backoffCoefficient,omitzero"`
	MaximumInterval    Duration `json:"maximumInterval,omitzero"`
	MaximumAttempts    int32    `json:"maximumAttempts,omitzero"`
}

// Delay decodes the config of a delay node.
func (n Node) Delay() (DelayConfig, error) {
	written, err := configOf[struct{ Duration *Duration }](n)
	switch {
	case err != nil:
		return DelayConfig{}, err
	case written.Duration == nil:
		return DelayConfig{}, errors.New(`config.duration is missing, for example {"duration": "10s"}`)
	case *written.Duration < 0 || time.Duration(*written.Duration) > MaxDelay:
		return DelayConfig{}, fmt.Errorf("config.duration must lie between 0s and %s", MaxDelay)
	}
	return DelayConfig{Duration: *written.Duration}, nil
}

// HTTP decodes the config of an http node and fills in its defaults.
func (n Node) HTTP() (HTTPConfig, error) {
	c, err := configOf[HTTPConfig](n)
	if err != nil {
		return c, err
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Timeout == 0 {
		c.Timeout = Duration(DefaultHTTPTimeout)
	}
	if c.Retry.MaximumAttempts == 0 {
		c.Retry.MaximumAttempts = DefaultHTTPAttempts
	}
	address, err := url.Parse(c.URL)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return c, fmt.Errorf("config.url %q must be an absolute http or https address", c.URL)
	}
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if !slices.Contains(methods, c.Method) {
		return c, fmt.Errorf("config.method %q must be one of %v", c.Method, methods)
	}
	if c.Timeout < 0 {
		return c, errors.New("config.timeout must not be negative")
	}
	return c, c.Retry.validate()
}

// Workflow decodes the config of a workflow node.
func (n Node) Workflow() (WorkflowConfig, error) {
	c, err := configOf[WorkflowConfig](n)
	if err != nil {
		return c, err
	}
	if c.WorkflowType == "" {
		return c, errors.New("config.workflowType is missing")
	}
	if c.Timeout < 0 {
		return c, errors.New("config.timeout must not be negative")
	}
	return c, c.Retry.validate()
}

func (r Retry) validate() error {
	switch {
	case r.InitialInterval < 0, r.MaximumInterval < 0, r.MaximumAttempts < 0:
		return errors.New("config.retry must not hold negative values")
	case r.BackoffCoefficient != 0 && r.BackoffCoefficient < 1:
		return errors.New("config.retry.backoffCoefficient must be at least 1")
	case r.MaximumInterval != 0 && r.MaximumInterval < r.InitialInterval:
		return errors.New("config.retry.maximumInterval must not be below initialInterval")
	}
	return nil
}

func (n Node) validateConfig() error {
	var err error
	switch n.Type {
	case Noop:
	case Delay:
		_, err = n.Delay()
	case HTTP:
		_, err = n.HTTP()
	case Workflow:
		_, err = n.Workflow()
	case "":
		err = errors.New("type is missing: one of noop, delay, http, workflow")
	default:
		err = fmt.Errorf("unknown type %q: one of noop, delay, http, workflow", n.Type)
	}
	return err
}

func configOf[C any](n Node) (C, error) {
	var c C
	if len(n.Config) == 0 {
		return c, nil
	}
	if err := decodeStrict(n.Config, &c); err != nil {
		return c, fmt.Errorf("config of a %s node: %w", n.Type, err)
	}
	return c, nil
}
