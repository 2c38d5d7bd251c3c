package request

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

func TestARequestOfManySmallFieldsIsRefusedBeforeItIsRead(t *testing.T) {
	t.Parallel()
	payload := func(int) *commonpb.Payload { return &commonpb.Payload{} }
	fields := func(n int) map[string]*commonpb.Payload {
		all := map[string]*commonpb.Payload{}
		for i := range n {
			all[fmt.Sprint(i)] = payload(i)
		}
		return all
	}
	nested := &failurepb.Failure{}
	for range MaxFields {
		nested = &failurepb.Failure{Cause: nested}
	}
	payloads := &commonpb.Payloads{Payloads: make([]*commonpb.Payload, MaxFields)}
	for i := range payloads.Payloads {
		payloads.Payloads[i] = payload(i)
	}
	for name, r := range map[string]*workflowservice.StartWorkflowExecutionRequest{
		"arguments":           {Input: payloads},
		"memo":                {Memo: &commonpb.Memo{Fields: fields(MaxFields / 2)}},
		"header":              {Header: &commonpb.Header{Fields: fields(MaxFields / 2)}},
		"metadata of a value": {Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: metadata(MaxFields / 2)}}}},
		"causes":              {ContinuedFailure: nested},
	} {
		raw, err := proto.Marshal(r)
		require.NoError(t, err)
		_, err = Parse(raw)
		require.ErrorIs(t, err, errTooManyFields, name)
		_, err = Marshal(r)
		require.ErrorIs(t, err, errTooManyFields, name)
	}
	_, err := Parse(bytes.Repeat([]byte{0xf8, 0x7f, 0}, MaxFields+1)) // of no meaning
	require.ErrorIs(t, err, errTooManyFields)
}

func metadata(n int) map[string][]byte {
	all := map[string][]byte{}
	for i := range n {
		all[fmt.Sprint(i)] = nil
	}
	return all
}

func TestALargeRequestOfFewFieldsIsRead(t *testing.T) {
	t.Parallel()
	in := Input{}
	for range MaxFields/fieldsPerValue - 10 {
		in.Args = append(in.Args, []byte(`"`+strings.Repeat("x", 900)+`"`))
	}
	require.NoError(t, in.checkValues())
	r := in.FromJSON()
	raw, err := Marshal(r)
	require.NoError(t, err)
	read, err := Parse(raw)
	require.NoError(t, err)
	require.True(t, proto.Equal(r, read))
}

func TestManyArgumentsInJSONAreRefused(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("0,", MaxFields/fieldsPerValue) + "0"
	_, err := ParseInput([]byte(`{"args":[` + many + `]}`))
	require.ErrorContains(t, err, "there are 2001 arguments")
	_, err = ParseInput([]byte(`{"args":[[` + many + `]]}`))
	require.NoError(t, err, "it is one argument")
}
