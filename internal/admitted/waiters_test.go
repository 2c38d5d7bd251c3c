package admitted_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
)

// Clients that wait for results share their looks, and leave the pool to others. The pool of this test has four connections, or as
// many as there are processors.
func TestManyWhoWaitLookTogether(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.start(t, start(nil)).String()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var waiters sync.WaitGroup
	for range 500 {
		waiters.Go(func() {
			_ = b.do(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{Namespace: "default", WaitNewEvent: true,
				Execution: &commonpb.WorkflowExecution{WorkflowId: "invoice-1", RunId: id}}, &workflowservice.GetWorkflowExecutionHistoryResponse{})
		})
	}
	waiters.Wait()
	most := int64(b.pool.Stat().MaxConns())
	require.LessOrEqual(t, b.pool.Stat().EmptyAcquireCount(), 2*most, "a look waits for a connection only while it is being made")
}
