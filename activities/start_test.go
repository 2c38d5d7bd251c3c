package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"

	"sluice/internal/bounds"
	"sluice/internal/dispatch"
	"sluice/internal/store"
	"sluice/workflows"
)

func execution() dispatch.Execution {
	return dispatch.Execution{
		Execution: store.Execution{
			ID: uuid.UUID{1}, WorkspaceID: uuid.UUID{2}, WorkspaceName: new("Acme"), Plan: new("PRO"), Weight: new(4),
			DefinitionID: uuid.UUID{3}, DefinitionName: new("orders"), VersionID: &uuid.UUID{9}, VersionNumber: new(3),
			Input: []byte(`{"a":1}`), Priority: 2,
		},
		Graph: []byte(`{"timeout":"1m","nodes":[{"id":"00000000-0000-0000-0000-000000000007","type":"noop"}]}`),
	}
}

func TestAStartDerivesFromDurableDataAlone(t *testing.T) {
	t.Parallel()
	options, input, failed := startOptions(execution())
	require.Nil(t, failed)
	again, _, _ := startOptions(execution())
	require.Equal(t, options, again, "a repeated start is the same start")
	require.Equal(t, "execution-01000000-0000-0000-0000-000000000000", options.ID)
	require.Equal(t, "workflow.workspace.02000000-0000-0000-0000-000000000000", options.TaskQueue)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, options.WorkflowIDReusePolicy)
	require.True(t, options.WorkflowExecutionErrorWhenAlreadyStarted)
	require.Equal(t, time.Minute, options.WorkflowExecutionTimeout)
	require.Equal(t, workflows.ExecutionTaskTimeout, options.WorkflowTaskTimeout, "a task that was handed to a lost poll comes again soon")
	require.Equal(t, "orders v3 for Acme (PRO)", options.StaticSummary)
	require.Equal(t, temporal.Priority{PriorityKey: 2, FairnessKey: uuid.UUID{2}.String(), FairnessWeight: 4}, options.Priority)
	require.LessOrEqual(t, len(options.Priority.FairnessKey), 64, "Temporal's limit for a fairness key")
	require.Equal(t, "orders", input.Definition.Name, "a version without a name takes its definition's")
	require.Equal(t, 3, input.VersionNumber)
}

// Names that may be given must not make the server refuse each start: it takes search attributes of 2,048 bytes, and summaries of 400,
// encoding included.
func TestTheLongestNamesFitWhatTheServerTakes(t *testing.T) {
	t.Parallel()
	for _, character := range []string{"x", "<", "é", "山", "\U0001F600"} {
		name := strings.Repeat(character, bounds.MaxName)
		require.NoError(t, bounds.Name(name))
		x := execution()
		x.DefinitionName, x.WorkspaceName, x.Plan = &name, &name, new(strings.Repeat("P", 63))
		options, _, failed := startOptions(x)
		require.Nil(t, failed)
		for limit, text := range map[int]string{400: options.StaticSummary, 20_000: options.StaticDetails} {
			payload, err := converter.GetDefaultDataConverter().ToPayload(text)
			require.NoError(t, err)
			require.LessOrEqual(t, proto.Size(payload), limit, character)
		}
		definition, _ := options.TypedSearchAttributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(workflows.AttributeDefinition))
		require.Equal(t, name, definition)
		require.LessOrEqual(t, len(definition)+2, 2048)
	}
	x := execution()
	x.DefinitionName, x.WorkspaceName = new(strings.Repeat("d", 100)), new(strings.Repeat("w", 100))
	options, _, _ := startOptions(x)
	require.Equal(t, *x.DefinitionName+" v3 for "+*x.WorkspaceName+" (PRO)", options.StaticSummary, "it is not cut where it need not be")
}

func TestAClaimThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*dispatch.Execution){
		reasonWorkspaceGone:  func(x *dispatch.Execution) { x.WorkspaceName = nil },
		reasonDefinitionGone: func(x *dispatch.Execution) { x.DefinitionName = nil },
		reasonInputGone:      func(x *dispatch.Execution) { x.Input = nil },
		reasonVersionGone:    func(x *dispatch.Execution) { x.VersionID = nil },
		reasonInvalidGraph:   func(x *dispatch.Execution) { x.Graph = []byte(`{"nodes":[]}`) },
		reasonTooLarge: func(x *dispatch.Execution) { // a chain of 300 calls that send 250 KiB each
			x.Graph = chain(300, `{"url":"http://api.test","method":"POST"}`)
			x.Input = []byte(`{"x":"` + strings.Repeat("x", 250<<10) + `"}`)
		},
	}
	for want, change := range tests {
		x := execution()
		change(&x)
		_, _, failed := startOptions(x)
		require.NotNil(t, failed, want)
		require.Equal(t, want, failed.Reason)
		require.True(t, failed.Permanent)
		require.NotEmpty(t, failed.Error)
	}
}

// chain is a version of so many http nodes, each of which needs the one before.
func chain(length int, config string) json.RawMessage {
	var nodes []string
	for i := range length {
		needs := ""
		if i > 0 {
			needs = fmt.Sprintf(`,"needs":["n%d"]`, i-1)
		}
		nodes = append(nodes, fmt.Sprintf(`{"name":"n%d","type":"http","config":%s%s}`, i, config, needs))
	}
	return json.RawMessage(`{"nodes":[` + strings.Join(nodes, ",") + `]}`)
}

// What counts is what is sent: how often, and in which form.
func TestAnExecutionIsRefusedByWhatItWouldSend(t *testing.T) {
	t.Parallel()
	post, get := `{"url":"http://api.test","method":"POST"}`, `{"url":"http://api.test"}`
	for name, test := range map[string]struct {
		workflow json.RawMessage
		input    string
		refused  string // empty: it is started
	}{
		"many, and nothing large":  {chain(1000, post), "x", ""},
		"large, and not sent":      {chain(1000, get), strings.Repeat("x", 250<<10), ""},
		"large and few":            {chain(150, post), strings.Repeat("x", 250<<10), ""},
		"large and many":           {chain(170, post), strings.Repeat("x", 250<<10), "170 nodes would send 4"},
		"larger as it is sent":     {chain(30, post), strings.Repeat("<", 250<<10), "30 nodes would send 46"},
		"one that is too large":    {chain(1, post), strings.Repeat("<", 350<<10), "node n0: it would send 2"},
		"its own body, many times": {chain(100, `{"url":"http://api.test","method":"POST","body":"`+strings.Repeat("<", 4000)+`"}`), "x", ""},
	} {
		x := execution()
		x.Graph, x.Input = test.workflow, []byte(`{"x":"`+test.input+`"}`)
		_, _, failed := startOptions(x)
		if test.refused == "" {
			require.Nil(t, failed, name)
			continue
		}
		require.NotNil(t, failed, name)
		require.Equal(t, reasonTooLarge, failed.Reason, name)
		require.Contains(t, failed.Error, test.refused, name)
		require.True(t, failed.Permanent, name)
	}
}

// A version may have been written into its table by hand.
func TestAClaimThatReachesForWhatIsNotItsOwnIsRefused(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"workflowType":"Execution"}`:                                                             "type of Sluice itself",
		`{"workflowType":"Bill","taskQueue":"activities.external-api"}`:                            "Sluice's own",
		`{"workflowType":"Bill","taskQueue":"` + workflows.WorkspaceTaskQueue(uuid.UUID{7}) + `"}`: "is not this workspace's",
		`{"workflowType":"Bill","retry":{"maximumInterval":"500ms"}}`:                              "maximumInterval 500ms",
	} {
		x := execution()
		x.Graph = []byte(`{"nodes":[{"name":"step","type":"workflow","config":` + config + `}]}`)
		_, _, failed := startOptions(x)
		require.NotNil(t, failed, config)
		require.Equal(t, reasonInvalidGraph, failed.Reason)
		require.Contains(t, failed.Error, want)
	}
	x := execution()
	x.Graph = []byte(`{"nodes":[{"name":"step","type":"workflow","config":{"workflowType":"Bill","taskQueue":"` + workflows.WorkspaceTaskQueue(x.WorkspaceID) + `"}}]}`)
	_, _, failed := startOptions(x)
	require.Nil(t, failed)
}

func TestOnlyAnAnswerIsAFailedStart(t *testing.T) {
	t.Parallel()
	tests := map[error]startVerdict{
		serviceerror.NewUnavailable("down"):                                                   startUnknown,
		serviceerror.NewDeadlineExceeded("slow"):                                              startUnknown,
		serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy"): startUnknown,
		context.DeadlineExceeded:                                                              startUnknown,
		errors.New("connection reset"):                                                        startUnknown,
		serviceerror.NewInternal("bug"):                                                       startUnknown,
		serviceerror.NewUnimplemented("unexpected HTTP status code received from server: 404 (Not Found); transport: received unexpected content-type \"text/html\""): startUnknown,
		serviceerror.NewInternal("unexpected HTTP status code received from server: 400 (Bad Request)"):                                                               startUnknown,
		serviceerror.NewUnimplemented("no route"):                                                                                                             startUnknown,
		serviceerror.NewFailedPrecondition("namespace is handed over"):                                                                                        startUnknown,
		serviceerror.NewInvalidArgument("unexpected HTTP status code received from server: 422 (Unprocessable Entity)"):                                       startUnknown,
		serviceerror.NewInternal("grpc: error while marshaling: string field contains invalid UTF-8"):                                                         startPermanent,
		serviceerror.NewInvalidArgument("search attribute SluiceDefinition value size 2102 exceeds size limit 2048"):                                          startPermanent,
		serviceerror.NewInvalidArgument("Namespace x has no mapping defined for search attribute SluicePlan"):                                                 startUnknown,
		serviceerror.NewInvalidArgument("Namespace x has no mapping defined for search attribute Customer"):                                                   startPermanent,
		serviceerror.NewInvalidArgument("search attribute Customer is not defined"):                                                                           startPermanent,
		serviceerror.NewInvalidArgument("Namespace x has no mapping defined for search attribute sluicePlan"):                                                 startPermanent, // names that an item has chosen
		serviceerror.NewInvalidArgument("Namespace x has no mapping defined for search attribute sluice"):                                                     startPermanent,
		serviceerror.NewInvalidArgument("Namespace x has no mapping defined for search attribute unexpected HTTP status code"):                                startPermanent,
		fmt.Errorf("start unexpected HTTP status code: %w", serviceerror.NewInvalidArgument("blob too large")):                                                startPermanent,
		fmt.Errorf("start order-1: %w", serviceerror.NewInvalidArgument("unexpected HTTP status code received from server: 400 (Bad Request)")):               startUnknown,
		serviceerror.NewInvalidArgument(`invalid version string "search attribute SluicePlan y", expected format is "<deployment_name>.<build_id>"`):          startPermanent,
		serviceerror.NewInvalidArgument("Namespace x is not registered"):                                                                                      startUnknown,
		serviceerror.NewInvalidArgument("invalid value for search attribute SluicePlan of type Int: PRO"):                                                     startUnknown,
		serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_UNSPECIFIED, "grpc: received message after decompression larger than max 4194304"): startPermanent,
		serviceerror.NewResourceExhausted(enumspb.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "namespace rate limit exceeded"):                                        startUnknown,
		serviceerror.NewInvalidArgument("blob too large"):                                                                                                     startPermanent,
		serviceerror.NewNamespaceNotFound("x"):                                                                                                                startUnknown,
		serviceerror.NewPermissionDenied("expired key", ""):                                                                                                   startUnknown,
		fmt.Errorf("start: %w", serviceerror.NewInvalidArgument("search attribute SluicePlan is not defined")):                                                startUnknown,
	}
	for err, want := range tests {
		require.Equal(t, want, judgeStart(err), err.Error())
	}
}

func TestErrorsOfTheStoreBecomeTemporals(t *testing.T) {
	t.Parallel()
	require.NoError(t, temporalError(nil))
	var refused *temporal.ApplicationError
	require.ErrorAs(t, temporalError(fmt.Errorf("claim: %w", store.ErrFenced)), &refused)
	require.Equal(t, workflows.ErrorFenced, refused.Type())
	require.True(t, refused.NonRetryable())
	require.ErrorAs(t, temporalError(&store.RequestError{Kind: store.ErrUnknownItem, Message: "no execution"}), &refused)
	require.True(t, refused.NonRetryable())
	down := errors.New("connection refused")
	require.Equal(t, down, temporalError(down), "a database that is away is asked again")
}
