package admitted

import (
	"context"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

type askKey struct{}

// Installed tells whether a client's calls go through a Calls. What starts and watches the items must see Temporal as it is.
func Installed(ctx context.Context, c client.Client) (installed bool) {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, askKey{}, &installed), time.Second)
	defer cancel()
	_, _ = c.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{}) // a Calls does not forward it
	return installed
}
