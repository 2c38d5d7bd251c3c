package request

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.uber.org/goleak"
)

// An application may make a client of the queue for each request that it serves.
func TestEncodingLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	for range 20 {
		r, err := Encode(t.Context(), client.Options{}, client.StartWorkflowOptions{}, "Bill", 7)
		require.NoError(t, err)
		require.Equal(t, "7", string(r.GetInput().GetPayloads()[0].GetData()))
		require.Empty(t, r.GetWorkflowId()+r.GetTaskQueue().GetName()+r.GetNamespace()+r.GetRequestId())
	}
	require.NoError(t, goleak.Find(before))
}
