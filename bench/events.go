package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"sluice/workflows"
)

const aboutEvents = `What the dispatcher leaves in Temporal, and what it costs when there is nothing to do. Events of
its history, over all its runs, from before executions are enqueued until the last outcome, per execution, at a batch
of 64. Then, once it waits in AwaitWork, the events of an idle minute as of an hour, and the processor time of this process in
it: a worker that hosts the dispatcher and ten workspaces.`

func events(ctx context.Context, b *bench) (_ []figure, err error) {
	s, err := b.newStack(ctx, 10, 1000, workflows.Tunables{BatchSize: 64})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	n := pick(b.scale, 64, 256, 2000)
	before, err := s.dispatcherEvents(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.enqueue(ctx, n); err != nil {
		return nil, err
	}
	if err := s.awaitEnded(ctx); err != nil {
		return nil, err
	}
	after, err := s.dispatcherEvents(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.awaitWaiting(ctx); err != nil {
		return nil, err
	}
	idle, err := s.idle(ctx, pick(b.scale, time.Second, 10*time.Second, time.Minute))
	return append([]figure{{"busy", "events", float64(after-before) / float64(n)}}, idle...), err
}

// idle measures a time in which nothing happens.
func (s *stack) idle(ctx context.Context, long time.Duration) ([]figure, error) {
	// What is still written about the beginning of the wait is no part of it.
	if err := rest(ctx, time.Second); err != nil {
		return nil, err
	}
	eventsBefore, err := s.dispatcherEvents(ctx)
	if err != nil {
		return nil, err
	}
	began, usedBefore := time.Now(), processorTime()
	if err := rest(ctx, long); err != nil {
		return nil, err
	}
	took, used := time.Since(began), processorTime()-usedBefore
	eventsAfter, err := s.dispatcherEvents(ctx)
	return []figure{
		{"idle", "events", float64(eventsAfter-eventsBefore) * time.Hour.Seconds() / took.Seconds()},
		{"core", "%", 100 * ratio(used, took)},
	}, err
}

// dispatcherEvents counts the events of all runs of the dispatcher, from the first one on.
func (s *stack) dispatcherEvents(ctx context.Context) (events int64, err error) {
	for run := s.first; run != ""; {
		described, err := s.client.DescribeWorkflowExecution(ctx, workflows.DispatcherID, run)
		if err != nil {
			return 0, fmt.Errorf("describe the dispatcher's run %s: %w", run, err)
		}
		info := described.GetWorkflowExecutionInfo()
		events += info.GetHistoryLength()
		if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			return events, nil
		}
		if run, err = followingRun(ctx, s.client, run); err != nil {
			return 0, err
		}
	}
	return 0, errors.New("the dispatcher has ended")
}

// followingRun is the run that a closed one has continued as; empty if it has not.
func followingRun(ctx context.Context, c client.Client, run string) (string, error) {
	end := c.GetWorkflowHistory(ctx, workflows.DispatcherID, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	event, err := end.Next()
	if err != nil {
		return "", fmt.Errorf("read the end of the dispatcher's run %s: %w", run, err)
	}
	return event.GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId(), nil
}
