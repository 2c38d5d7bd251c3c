package operate

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"

	"sluice/workflows"
)

type attributeTypes = map[string]enumspb.IndexedValueType

// closedServer is one whose operator service is not for users, as on Temporal Cloud.
type closedServer struct {
	client.Client
	operatorservice.OperatorServiceClient
	have            attributeTypes
	listErr, addErr error
}

func (s *closedServer) OperatorService() operatorservice.OperatorServiceClient { return s }

func (s *closedServer) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: s.have}, s.listErr
}

func (s *closedServer) AddSearchAttributes(context.Context, *operatorservice.AddSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	return nil, s.addErr
}

func (s *closedServer) CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return nil, serviceerror.NewInvalidArgument("invalid query")
}

func TestAttributesThatCannotBeAdded(t *testing.T) {
	t.Parallel()
	denied := serviceerror.NewPermissionDenied("Request unauthorized.", "")
	unimplemented := serviceerror.NewUnimplemented("unknown service")
	all := attributeTypes{}
	for _, name := range workflows.SearchAttributes() {
		all[name] = keyword
	}
	some := attributeTypes{workflows.AttributeWorkspace: keyword}
	wrong := attributeTypes{workflows.AttributeWorkspace: enumspb.INDEXED_VALUE_TYPE_TEXT}
	for name, c := range map[string]struct {
		server closedServer
		says   string // empty: goes on
	}{
		"all there":              {server: closedServer{have: all, addErr: denied}},
		"some missing":           {server: closedServer{have: some, addErr: denied}, says: "temporal operator search-attribute create --namespace ns --name SluicePlan --type Keyword --name"},
		"some missing, on Cloud": {server: closedServer{have: some, addErr: unimplemented}, says: "tcld namespace search-attributes add --namespace ns --sa SluicePlan=Keyword --sa"},
		"unknown":                {server: closedServer{listErr: denied}, says: "add SluiceWorkspaceId, SluicePlan, SluiceDefinition, SluiceQueueItemId, all of type Keyword"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ensureAttributes(t.Context(), &c.server, "ns")
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrAttributes)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "namespace ns")
		})
	}
	err := ensureAttributes(t.Context(), &closedServer{have: wrong}, "ns")
	require.ErrorContains(t, err, "search attribute SluiceWorkspaceId of namespace ns is of type Text, not Keyword")
}
