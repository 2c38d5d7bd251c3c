package recovery

import (
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
)

func TestATerminationTellsByWhomItWas(t *testing.T) {
	t.Parallel()
	for want, by := range map[string]*historypb.WorkflowExecutionTerminatedEventAttributes{
		"terminated":                  {},
		"terminated: by hand":         {Reason: "by hand"},
		"terminated by 7@vm":          {Identity: "7@vm"},
		"terminated by 7@vm: by hand": {Identity: "7@vm", Reason: "by hand"},
		"terminated by ann: stuck":    {Identity: "7@vm", Reason: "terminated by ann: stuck"},
	} {
		require.Equal(t, want, terminated(by))
	}
}
