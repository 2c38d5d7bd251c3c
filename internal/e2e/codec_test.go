package e2e

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"sluice/queue"
	"sluice/workflows"
)

func TestSluiceNeedNotReadWhatAnApplicationEncrypts(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run()
	options := client.Options{HostPort: s.address, Namespace: s.namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)), ConnectionOptions: slowly,
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), hidden{})}
	theirs, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(theirs.Close)
	w := worker.New(theirs, "secrets", worker.Options{})
	w.RegisterWorkflowWithOptions(ownTypes["Completes"], workflow.RegisterOptions{Name: "Completes"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)

	app := queue.New(s.pool, queue.WithClientOptions(options))
	answer, err := app.EnqueueWorkflow(s.ctx, queue.Item{WorkspaceID: s.workspace("PRO").ID}, client.StartWorkflowOptions{TaskQueue: "secrets"},
		"Completes", map[string]int{"order": 4711}, "hush")
	require.NoError(t, err)
	item := s.await(answer.QueueID, workflows.StatusCompleted)
	require.Empty(t, item.Input)
	require.NotContains(t, string(item.Output), "4711")

	var payload commonpb.Payload // the output is the payload as it is
	require.NoError(t, protojson.Unmarshal(item.Output, &payload))
	require.Equal(t, "binary/hidden", string(payload.GetMetadata()["encoding"]))
	var result map[string]any
	require.NoError(t, options.DataConverter.FromPayload(&payload, &result))
	require.Equal(t, map[string]any{"order": 4711.0, "tag": "hush"}, result)
	require.NoError(t, theirs.GetWorkflow(s.ctx, answer.WorkflowID, "").Get(s.ctx, &result))
	require.Equal(t, "hush", result["tag"])
}

// hidden is a codec whose payloads Sluice cannot read.
type hidden struct{}

func (hidden) Encode(payloads []*commonpb.Payload) (encoded []*commonpb.Payload, err error) {
	for _, p := range payloads {
		raw, err := protojson.Marshal(p)
		if err != nil {
			return nil, err
		}
		encoded = append(encoded, &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("binary/hidden")}, Data: turned(raw)})
	}
	return encoded, nil
}

func (hidden) Decode(payloads []*commonpb.Payload) (decoded []*commonpb.Payload, err error) {
	for _, p := range payloads {
		if string(p.GetMetadata()["encoding"]) == "binary/hidden" {
			raw := turned(p.GetData())
			p = &commonpb.Payload{}
			if err := protojson.Unmarshal(raw, p); err != nil {
				return nil, err
			}
		}
		decoded = append(decoded, p)
	}
	return decoded, nil
}

func turned(raw []byte) []byte {
	other := make([]byte, len(raw))
	for i, b := range raw {
		other[i] = ^b
	}
	return other
}
