package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"sluice/internal/chaos/cluster"
	"sluice/workflows"
)

// sampleOf says how many histories of a type are replayed; 0 means all.
var sampleOf = map[string]int{workflows.DispatcherType: 0, workflows.RecoveryType: 50, workflows.ExecutionType: 400}

const replayParallel = 4

// replay replays recorded histories against this build's workflow code, and counts them by type. One that takes another
// way is a violation: a worker that had to take such a workflow over could not.
func (c *chaos) replay(ctx context.Context) (map[string]int, error) {
	c.say("replaying histories")
	replayer := worker.NewWorkflowReplayer()
	workflows.RegisterDefault(replayer)
	workflows.RegisterWorkspace(replayer)
	quiet := sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))

	counts, mu := map[string]int{}, sync.Mutex{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(replayParallel)
	for kind, most := range sampleOf {
		infos, err := c.list(ctx, fmt.Sprintf("WorkflowType = '%s'", kind))
		if err != nil {
			return nil, err
		}
		for _, info := range spread(infos, most) {
			group.Go(func() error {
				history, err := c.history(ctx, info)
				if err != nil || history == nil {
					return err
				}
				if err := replayer.ReplayWorkflowHistory(quiet, history); err != nil {
					c.violated(promiseReplays, info.GetExecution().GetWorkflowId(), "run %s: %v", info.GetExecution().GetRunId(), err)
				}
				mu.Lock()
				defer mu.Unlock()
				counts[kind]++
				return nil
			})
		}
	}
	return counts, group.Wait()
}

// spread picks so many from all over the list, 0 for all of them.
func spread[T any](list []T, most int) []T {
	if most == 0 || len(list) <= most {
		return list
	}
	picked := make([]T, most)
	for i := range picked {
		picked[i] = list[i*len(list)/most]
	}
	return picked
}

// history is nil for a workflow that was deleted.
func (c *chaos) history(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (*historypb.History, error) {
	id := info.GetExecution()
	history := &historypb.History{}
	events := c.client.GetWorkflowHistory(ctx, id.GetWorkflowId(), id.GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		var gone *serviceerror.NotFound
		if errors.As(err, &gone) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", id.GetWorkflowId(), err)
		}
		history.Events = append(history.Events, event)
	}
	return history, nil
}

const (
	listPage = 1000
	// listPatience is how long a list may take: on a busy machine the dev server answers a page after a minute, or closes a connection
	// that has become old meanwhile. The SDK's own lists give up after 10 s.
	listPatience = 5 * time.Minute
)

// list reads all pages of a visibility query.
func (c *chaos) list(ctx context.Context, query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, listPatience)
	defer cancel()
	var all []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: c.cluster.Namespace, Query: query, PageSize: listPage}
	for {
		page, err := c.client.WorkflowService().ListWorkflowExecutions(ctx, request)
		if err != nil {
			if cluster.Sleep(ctx, time.Second) != nil {
				return nil, fmt.Errorf("list workflows where %s: %w", query, err)
			}
			continue
		}
		all = append(all, page.GetExecutions()...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return all, nil
		}
	}
}
