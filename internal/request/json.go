package request

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Input is what sluice.enqueue_workflow stores of a workflow that came without a request.
type Input struct {
	Args    []json.RawMessage `json:"args"`
	Options Options           `json:"options"`
}

// Options are those of sluice.enqueue_workflow.
type Options struct {
	ExecutionTimeout Duration                   `json:"executionTimeout"`
	RunTimeout       Duration                   `json:"runTimeout"`
	TaskTimeout      Duration                   `json:"taskTimeout"`
	Retry            *Retry                     `json:"retry"`
	Memo             map[string]json.RawMessage `json:"memo"`
	SearchAttributes map[string]json.RawMessage `json:"searchAttributes"`
	Summary          string                     `json:"summary"`
	Details          string                     `json:"details"`
	OnConflict       string                     `json:"onConflict"`
}

// Retry is a retry policy in the words of a definition's nodes.
type Retry struct {
	InitialInterval        Duration `json:"initialInterval"`
	MaximumInterval        Duration `json:"maximumInterval"`
	BackoffCoefficient     float64  `json:"backoffCoefficient"`
	MaximumAttempts        int32    `json:"maximumAttempts"`
	NonRetryableErrorTypes []string `json:"nonRetryableErrorTypes"`
}

// Duration is written as "90s".
type Duration time.Duration

// UnmarshalJSON reads it.
func (d *Duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("a duration is written as \"90s\": %w", err)
	}
	parsed, err := time.ParseDuration(text)
	if err == nil && parsed < 0 {
		err = errors.New("a duration must not be negative")
	}
	*d = Duration(parsed)
	return err
}

func (d Duration) proto() *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(time.Duration(d))
}

// ParseInput reads what is stored. Unknown options are refused, and an empty input is that of a ready request without options.
func ParseInput(raw []byte) (in Input, err error) {
	if len(raw) == 0 {
		return in, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return in, fmt.Errorf("read the arguments and options of a workflow: %w", err)
	}
	switch in.Options.OnConflict {
	case "", "fail", "wait":
		return in, in.checkValues()
	}
	return in, fmt.Errorf("options.onConflict must be \"fail\" or \"wait\", not %q", in.Options.OnConflict)
}

// FromJSON makes a request of arguments and options. Each value becomes a payload of JSON.
func (in Input) FromJSON() *workflowservice.StartWorkflowExecutionRequest {
	o := in.Options
	r := &workflowservice.StartWorkflowExecutionRequest{
		WorkflowExecutionTimeout: o.ExecutionTimeout.proto(), WorkflowRunTimeout: o.RunTimeout.proto(), WorkflowTaskTimeout: o.TaskTimeout.proto(),
	}
	if len(in.Args) > 0 {
		r.Input = &commonpb.Payloads{}
		for _, arg := range in.Args {
			r.Input.Payloads = append(r.Input.Payloads, jsonPayload(arg))
		}
	}
	if o.Retry != nil {
		r.RetryPolicy = &commonpb.RetryPolicy{
			InitialInterval: o.Retry.InitialInterval.proto(), MaximumInterval: o.Retry.MaximumInterval.proto(),
			BackoffCoefficient: o.Retry.BackoffCoefficient, MaximumAttempts: o.Retry.MaximumAttempts, NonRetryableErrorTypes: o.Retry.NonRetryableErrorTypes,
		}
		if r.RetryPolicy.BackoffCoefficient == 0 {
			r.RetryPolicy.BackoffCoefficient = 2 // as the SDKs have it
		}
		if r.RetryPolicy.InitialInterval == nil {
			r.RetryPolicy.InitialInterval = durationpb.New(time.Second)
		}
	}
	if len(o.Memo) > 0 {
		r.Memo = &commonpb.Memo{Fields: jsonPayloads(o.Memo)}
	}
	if len(o.SearchAttributes) > 0 {
		r.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: jsonPayloads(o.SearchAttributes)}
	}
	if o.Summary != "" || o.Details != "" {
		r.UserMetadata = &sdkpb.UserMetadata{Summary: textPayload(o.Summary), Details: textPayload(o.Details)}
	}
	return r
}

func jsonPayloads(values map[string]json.RawMessage) map[string]*commonpb.Payload {
	all := make(map[string]*commonpb.Payload, len(values))
	for name, value := range values {
		all[name] = jsonPayload(value)
	}
	return all
}

func jsonPayload(value json.RawMessage) *commonpb.Payload {
	return &commonpb.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: value}
}

func textPayload(text string) *commonpb.Payload {
	if text == "" {
		return nil
	}
	raw, err := json.Marshal(text)
	if err != nil {
		return nil // a string can be encoded
	}
	return jsonPayload(raw)
}
