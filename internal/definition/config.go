package definition

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Defaults of http nodes.
const (
	DefaultHTTPTimeout  = 30 * time.Second
	DefaultHTTPAttempts = 5 // a slot is held while an endpoint fails, so not for ever
)

// The largest and the smallest times. Temporal refuses a retry policy whose intervals overflow: without a maximum it takes a
// hundred times the initial interval.
const (
	MaxDelay         = 10 * 365 * 24 * time.Hour // also of a definition's and a child's timeout
	MaxHTTPTimeout   = time.Hour                 // of one attempt, which takes one of its workspace's places for calls
	MaxRetryInterval = 365 * 24 * time.Hour
	MinTime          = time.Millisecond // of timeouts and intervals
	// MaxCoefficient is more than reaches the longest interval at once.
	MaxCoefficient = 1000
	// DefaultRetryInterval is Temporal's initial interval.
	DefaultRetryInterval = time.Second
)

const maxURLBytes = 8 << 10

// DelayConfig is the config of a delay node.
type DelayConfig struct {
	Duration Duration `json:"duration"`
}

// HTTPConfig is the config of an http node. A response below 300 is a success; 408, 425, 429 and from 500 on are
// retried; anything else fails the node at once.
type HTTPConfig struct {
	URL     string            `json:"url"`
	Method  string            `json:"method,omitempty"` // GET when empty
	Headers map[string]Header `json:"headers,omitempty"`
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
		return DelayConfig{}, fmt.Errorf("config.duration must lie between 0s and %s, got %s", MaxDelay, time.Duration(*written.Duration))
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
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}
	if err := checkURL(c.URL); err != nil {
		return c, err
	}
	if !slices.Contains(methods, c.Method) {
		return c, fmt.Errorf("config.method %q must be one of %v", c.Method, methods)
	}
	return c, errors.Join(checkHeaders(c.Headers), checkTime("config.timeout", c.Timeout, MaxHTTPTimeout), c.Retry.validate())
}

func checkURL(text string) error {
	if len(text) > maxURLBytes {
		return fmt.Errorf("config.url has %d bytes, at most %d are allowed", len(text), maxURLBytes)
	}
	address, err := url.Parse(text)
	if err != nil || (address.Scheme != "http" && address.Scheme != "https") || address.Hostname() == "" {
		return fmt.Errorf("config.url %q must be an absolute http or https address", text)
	}
	if port := address.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("config.url %q has no port that there is: %s", address.Redacted(), port)
		}
	}
	return nil
}

// Workflow decodes the config of a workflow node. Whose task queue it may name depends on the workspace: see CheckOwner.
func (n Node) Workflow() (WorkflowConfig, error) {
	c, err := configOf[WorkflowConfig](n)
	if err != nil {
		return c, err
	}
	if c.WorkflowType == "" {
		return c, errors.New("config.workflowType is missing")
	}
	return c, errors.Join(checkWorkflowType("config.workflowType", c.WorkflowType), checkTaskQueue("config.taskQueue", c.TaskQueue),
		checkTime("config.timeout", c.Timeout, MaxDelay), c.Retry.validate())
}

// After returns the pause after an attempt, counted from 1, as Temporal has it by the policy.
func (r Retry) After(attempt int) time.Duration {
	initial, coefficient := cmp.Or(time.Duration(r.InitialInterval), DefaultRetryInterval), cmp.Or(r.BackoffCoefficient, 2)
	most := cmp.Or(time.Duration(r.MaximumInterval), 100*initial)
	return time.Duration(min(float64(most), float64(initial)*math.Pow(coefficient, float64(attempt-1))))
}

// validate returns everything that Temporal would refuse, joined.
func (r Retry) validate() error {
	var problems []error
	if r.MaximumAttempts < 0 {
		problems = append(problems, fmt.Errorf("config.retry.maximumAttempts must not be negative, got %d", r.MaximumAttempts))
	}
	if c := r.BackoffCoefficient; c != 0 && !(c >= 1 && c <= MaxCoefficient) {
		problems = append(problems, fmt.Errorf("config.retry.backoffCoefficient must be at least 1 and at most %d, got %g", MaxCoefficient, c))
	}
	problems = append(problems, checkTime("config.retry.initialInterval", r.InitialInterval, MaxRetryInterval),
		checkTime("config.retry.maximumInterval", r.MaximumInterval, MaxRetryInterval))
	initial, otherwise := time.Duration(r.InitialInterval), ""
	if initial == 0 {
		initial, otherwise = DefaultRetryInterval, " unless it is given"
	}
	if most := time.Duration(r.MaximumInterval); most >= MinTime && most < initial {
		problems = append(problems, fmt.Errorf("config.retry.maximumInterval %s must not be below initialInterval, which is %s%s", most, initial, otherwise))
	}
	return errors.Join(problems...)
}

// checkTime checks a time that may be left out.
func checkTime(what string, d Duration, most time.Duration) error {
	switch given := time.Duration(d); {
	case given < 0:
		return fmt.Errorf("%s must not be negative, got %s", what, given)
	case given != 0 && given < MinTime, given > most:
		return fmt.Errorf("%s must be %s to %s, got %s", what, MinTime, most, given)
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
