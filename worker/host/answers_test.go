package host

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestWhatAnActivityHasComeToIsToldWhenTemporalIsBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		request any
		away    time.Duration
		refused codes.Code // what it says when it is back
		took    time.Duration
		want    codes.Code
	}{
		"an answer":                      {&workflowservice.RespondActivityTaskCompletedRequest{}, 40 * time.Second, codes.OK, 40 * time.Second, codes.OK},
		"an error":                       {&workflowservice.RespondActivityTaskFailedRequest{}, 40 * time.Second, codes.OK, 40 * time.Second, codes.OK},
		"that nobody waits for any more": {&workflowservice.RespondActivityTaskCompletedRequest{}, 0, codes.NotFound, 0, codes.NotFound},
		"for a minute":                   {&workflowservice.RespondActivityTaskCompletedRequest{}, time.Hour, codes.OK, answerFor, codes.Unavailable},
		"and nothing else":               {&workflowservice.RespondWorkflowTaskCompletedRequest{}, 40 * time.Second, codes.OK, 0, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second) // as the SDK has it
				defer cancel()
				err := answerAgain(ctx, "Respond", c.request, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
					require.NoError(t, ctx.Err())
					if time.Since(began) < c.away {
						return status.Error(codes.Unavailable, "away")
					}
					return status.Error(c.refused, "")
				})
				require.Equal(t, c.want, status.Code(err))
				require.Equal(t, c.took, time.Since(began))
			})
		})
	}
}
