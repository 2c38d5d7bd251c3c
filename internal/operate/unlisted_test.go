package operate_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"sluice/internal/operate"
	"sluice/workflows"
)

// withoutOperatorService is a server whose operator service is not for the client.
type withoutOperatorService struct {
	client.Client
	operatorservice.OperatorServiceClient
}

func (c withoutOperatorService) OperatorService() operatorservice.OperatorServiceClient { return c }

var errUnauthorized = serviceerror.NewPermissionDenied("Request unauthorized.", "")

func (withoutOperatorService) ListSearchAttributes(
	context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption,
) (*operatorservice.ListSearchAttributesResponse, error) {
	return nil, errUnauthorized
}

func (withoutOperatorService) AddSearchAttributes(
	context.Context, *operatorservice.AddSearchAttributesRequest, ...grpc.CallOption,
) (*operatorservice.AddSearchAttributesResponse, error) {
	return nil, errUnauthorized
}

func TestANamespaceWhoseSearchAttributesAreNotListedIsStartedIfItHasThem(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string]map[string]string{"none": nil, "all": workflows.SearchAttributeTypes()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, namespace := dialNamespace(t, attributes)
			_, err := operate.Start(t.Context(), withoutOperatorService{Client: c}, namespace, newDatabase(t).pool, workflows.State{})
			if attributes != nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, operate.ErrAttributes)
		})
	}
}
