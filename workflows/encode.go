package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// Plain is a value as JSON in which <, > and & are as they are. The SDK's own JSON has six bytes for each, and a worker holds what an
// execution was started with, and what its nodes have sent, for as long as they run; its history holds what they were answered.
func Plain(value any) (converter.RawValue, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return converter.RawValue{}, fmt.Errorf("encode: %w", err)
	}
	return asIs(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// asIs is a value whose JSON is there already. It is not copied: all nodes that send the input of their execution share its bytes.
func asIs(raw json.RawMessage) converter.RawValue {
	if len(raw) == 0 {
		raw = json.RawMessage("null")
	}
	return converter.NewRawValue(&commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)}, Data: raw,
	})
}
