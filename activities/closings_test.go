package activities

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sluice/queue"
	"sluice/workflows"
)

// visibility shows what it holds, ten runs a page, and counts what was read of it.
type visibility struct {
	client.Client
	shown []*workflowpb.WorkflowExecutionInfo
	read  int
}

var moments = regexp.MustCompile(`\d{4}-[^']*`)

// times are those of a query, in their order.
func times(t string) (at []time.Time) {
	for _, found := range moments.FindAllString(t, -1) {
		moment, err := time.Parse(time.RFC3339Nano, found)
		if err != nil {
			panic(err)
		}
		at = append(at, moment)
	}
	return at
}

func closedSince(info *workflowpb.WorkflowExecutionInfo, since time.Time) bool {
	return info.CloseTime != nil && !info.CloseTime.AsTime().Before(since)
}

func (v *visibility) CountWorkflow(_ context.Context, r *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	at, n := times(r.GetQuery()), int64(0)
	for _, info := range v.shown {
		if closedSince(info, at[0]) && !closedSince(info, at[1]) {
			n++
		}
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, nil
}

func (v *visibility) ListWorkflow(_ context.Context, r *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	at := times(r.GetQuery())
	found := slices.DeleteFunc(slices.Clone(v.shown), func(info *workflowpb.WorkflowExecutionInfo) bool {
		return !closedSince(info, at[0]) && (info.CloseTime != nil || info.StartTime.AsTime().Before(at[1]))
	})
	answer := &workflowservice.ListWorkflowExecutionsResponse{}
	place := len(r.GetNextPageToken())
	answer.Executions = found[place:min(place+10, len(found))]
	v.read += len(answer.Executions)
	if place+10 < len(found) {
		answer.NextPageToken = []byte(strings.Repeat("x", place+10))
	}
	return answer, nil
}

// show adds a run that closed at a moment, or is open.
func (v *visibility) show(workflowID string, at time.Time, open bool) {
	info := &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: "run of " + workflowID},
		StartTime: timestamppb.New(at), Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if !open {
		info.CloseTime, info.Status = timestamppb.New(at), enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	}
	v.shown = append(v.shown, info)
}

// However late Temporal shows a run within visibilityLag, the next pass knows of it, and so do all until it is that old.
func TestEveryPassKnowsAllThatTemporalShows(t *testing.T) {
	t.Parallel()
	v, known := &visibility{}, closings(nil)
	a := &Activities{client: v}
	began := time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)
	late := []time.Duration{0, time.Millisecond, time.Second, usualLag, 2 * usualLag, visibilityLag - time.Second}
	for pass := range 60 {
		now := began.Add(time.Duration(pass) * 2 * time.Second)
		for i, lag := range late {
			if pass%len(late) == i {
				v.show(workflows.ExecutionID(uuid.New()), now.Add(-lag), false)
				v.show(workflows.ExecutionID(uuid.New()), now.Add(-lag), true)
				v.show(fmt.Sprintf("nobody's %d", pass), now.Add(-lag), false)
			}
		}
		since := now.Add(-time.Millisecond)
		if pass == 40 {
			since = now.Add(-time.Minute) // Postgres has lost how far the others have looked
		}
		closed, open, err := a.look(t.Context(), since, known)
		require.NoError(t, err)
		var wantClosed, wantOpen []queue.Run
		for _, info := range v.shown {
			run, ours := runOf(info)
			switch {
			case !ours || info.StartTime.AsTime().Before(since.Truncate(time.Millisecond).Add(-visibilityLag)):
			case info.CloseTime == nil:
				wantOpen = append(wantOpen, run)
			default:
				wantClosed = append(wantClosed, run)
			}
		}
		require.ElementsMatch(t, wantClosed, closed.runs(), "pass %d", pass)
		require.ElementsMatch(t, wantOpen, open, "pass %d", pass)
		known = closed
	}
}

func TestWhatIsKnownIsNotReadAgain(t *testing.T) {
	t.Parallel()
	v, known := &visibility{}, closings(nil)
	a := &Activities{client: v}
	now := time.Now()
	for pass := range 9 {
		for range 10 {
			v.show(workflows.ExecutionID(uuid.New()), now, false)
		}
		var err error
		known, _, err = a.look(t.Context(), now, known)
		require.NoError(t, err)
		require.Len(t, known.runs(), 10*(pass+1))
		now = now.Add(2 * time.Second)
	}
	require.Less(t, v.read, 2*len(v.shown), "a run is read by the passes that look back to it within usualLag, which are two")
}
