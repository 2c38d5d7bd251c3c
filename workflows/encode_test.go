package workflows

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

func TestPlainIsTheSDKsJSONWithoutItsEscapes(t *testing.T) {
	t.Parallel()
	in := sending(t, 1, 0)
	in.Plan = "<b>\u2028"
	in.Input = json.RawMessage(`{"text":"` + "<>&" + `\u003c` + "\u2028" + `"}`)
	plain, err := Plain(in)
	require.NoError(t, err)
	require.Contains(t, string(plain.Payload().GetData()), `"text":"<>&\u003c`)
	sdk, err := converter.GetDefaultDataConverter().ToPayload(in)
	require.NoError(t, err)
	require.Equal(t, sdk.GetMetadata(), plain.Payload().GetMetadata())
	require.JSONEq(t, string(sdk.GetData()), string(plain.Payload().GetData()))
	var back ExecutionInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(plain.Payload(), &back))
	require.Equal(t, in.Plan, back.Plan)
	require.Equal(t, string(in.Input), string(back.Input))
}

// sentBy keeps the payloads that hold a text.
type sentBy struct {
	converter.DataConverter
	text []byte

	mu   sync.Mutex
	sent []*commonpb.Payload
}

func (s *sentBy) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	all, err := s.DataConverter.ToPayloads(values...)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range all.GetPayloads() {
		if bytes.Contains(p.GetData(), s.text) {
			s.sent = append(s.sent, p)
		}
	}
	return all, err
}

// The SDK keeps what a node sends until the node has ended.
func TestAWorkerHoldsTheInputOfAnExecutionOnceHoweverManyNodesSendIt(t *testing.T) {
	t.Parallel()
	env := newEnv(t, &fakeQueue{})
	in := input()
	in.Input = json.RawMessage(`{"text":"<` + strings.Repeat("x", 1000) + `"}`)
	for i := range byte(3) {
		in.Definition.Nodes = append(in.Definition.Nodes, call(i+1, `{"url":"http://api.test","method":"POST"}`), child(i+101))
	}
	sent := &sentBy{DataConverter: converter.GetDefaultDataConverter(), text: []byte("xxx")}
	api := &externalAPI{answer: func(int, HTTPRequest) (HTTPResponse, error) { return HTTPResponse{Status: 200}, nil }}
	api.register(env)
	env.RegisterWorkflowWithOptions(func(workflow.Context, json.RawMessage) error { return nil }, workflow.RegisterOptions{Name: "Child"})
	env.SetDataConverter(sent)
	plain, err := Plain(in)
	require.NoError(t, err)
	env.ExecuteWorkflow(ExecutionType, plain)
	require.NoError(t, env.GetWorkflowError())
	ofNodes := slices.DeleteFunc(sent.sent, func(p *commonpb.Payload) bool { return p == plain.Payload() })
	require.GreaterOrEqual(t, len(ofNodes), 6)
	for _, p := range ofNodes {
		require.Equal(t, string(in.Input), string(p.GetData()))
		require.Same(t, unsafe.SliceData(ofNodes[0].GetData()), unsafe.SliceData(p.GetData()))
	}
	require.Len(t, api.requests, 3)
	for _, r := range api.requests {
		require.Equal(t, in.Input, r.Body)
	}
}
