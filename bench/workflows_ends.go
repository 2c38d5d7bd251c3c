package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"

	"sluice/queue"
	"sluice/workflows"
)

// ownRefills fills a slot again and again, and compares the histories of what it has run.
func (b *bench) ownRefills(ctx context.Context, how learning, rounds int) (_ []figure, err error) {
	s, err := b.newStackThat(ctx, how, 1, 1, workflows.Tunables{})
	if err != nil {
		return nil, err
	}
	defer func() { err = joinClose(err, s) }()
	stop, err := s.serveOwn()
	if err != nil {
		return nil, err
	}
	defer stop()
	var took, floor []time.Duration
	var added int64
	for range rounds {
		answers, err := s.enqueueOwn(ctx, ownType, refillsAtOnce+1)
		if err != nil {
			return nil, err
		}
		if err := s.awaitEnded(ctx); err != nil {
			return nil, err
		}
		refilled, err := s.ownRefilled(ctx, answers)
		if err != nil {
			return nil, err
		}
		took = append(took, refilled...)
		var started []asked
		for range refillsAtOnce {
			plain, err := s.plain.askOwn(ctx)
			if err != nil {
				return nil, err
			}
			started = append(started, plain)
			if err := rest(ctx, plainEvery); err != nil {
				return nil, err
			}
		}
		plainly, err := s.toFirstTasks(ctx, started)
		if err != nil {
			return nil, err
		}
		floor = append(floor, plainly...)
		if added, err = s.eventsMore(ctx, answers[0].WorkflowID, started[0].WorkflowID); err != nil {
			return nil, err
		}
	}
	return append(quantiles("", took, floor), figure{"s", "s", quantile(took, 0.5).Seconds()}, figure{"events", "events", float64(added)}), nil
}

// ownRefilled is how long the slot was empty each time.
func (s *stack) ownRefilled(ctx context.Context, answers []queue.Answer) (took []time.Duration, err error) {
	var freed time.Time
	for _, answer := range answers { // in the order of their claims
		task, err := s.tasks.first(ctx, answer.WorkflowID)
		if err != nil {
			return nil, err
		}
		if !freed.IsZero() {
			took = append(took, task.Sub(freed))
		}
		described, err := s.client.DescribeWorkflowExecution(ctx, answer.WorkflowID, "")
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", answer.WorkflowID, err)
		}
		freed = described.GetWorkflowExecutionInfo().GetCloseTime().AsTime()
	}
	return took, nil
}

// eventsMore is how many events one workflow's history has more than another's.
func (s *stack) eventsMore(ctx context.Context, workflowID, than string) (int64, error) {
	var length [2]int64
	for i, id := range []string{workflowID, than} {
		described, err := s.client.DescribeWorkflowExecution(ctx, id, "")
		if err != nil {
			return 0, fmt.Errorf("describe %s: %w", id, err)
		}
		length[i] = described.GetWorkflowExecutionInfo().GetHistoryLength()
	}
	return length[0] - length[1], nil
}

const downFor, downEnds = 10 * time.Second, 40

// endpointDown ends many workflows while callbacks are not taken.
func (b *bench) endpointDown(ctx context.Context) (_ figure, err error) {
	s, err := b.newStackThat(ctx, learning{deaf: true, called: true, recovers: true}, 1, downEnds, workflows.Tunables{})
	if err != nil {
		return figure{}, err
	}
	defer func() { err = joinClose(err, s) }()
	stop, err := s.serveOwn()
	if err != nil {
		return figure{}, err
	}
	defer stop()
	answers, err := s.enqueueOwn(ctx, heldType, downEnds)
	if err != nil {
		return figure{}, err
	}
	for _, answer := range answers {
		if _, err := s.tasks.first(ctx, answer.WorkflowID); err != nil {
			return figure{}, err
		}
	}
	if err := s.endpoint.Close(); err != nil {
		return figure{}, fmt.Errorf("close the endpoint: %w", err)
	}
	for _, answer := range answers {
		if err := s.client.TerminateWorkflow(ctx, answer.WorkflowID, "", "bench"); err != nil {
			return figure{}, fmt.Errorf("terminate %s: %w", answer.WorkflowID, err)
		}
	}
	if err := rest(ctx, downFor); err != nil {
		return figure{}, err
	}
	back := time.Now()
	if err := s.takeCallbacks(s.endpoint.Addr, s.callbacks); err != nil {
		return figure{}, err
	}
	if err := s.awaitEnded(ctx); err != nil {
		return figure{}, err
	}
	var last time.Time
	if err := s.pool.QueryRow(ctx, `SELECT max(ended_at) FROM sluice.ended WHERE id = ANY ($1)`, idsOf(answers)).Scan(&last); err != nil {
		return figure{}, fmt.Errorf("look at the ends: %w", err)
	}
	return figure{"down", "s", max(0, last.Sub(back)).Seconds()}, nil
}

// takeCallbacks serves callbacks at an address.
func (s *stack) takeCallbacks(address string, handler http.Handler) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen for callbacks: %w", err)
	}
	s.endpoint = &http.Server{Addr: listener.Addr().String(), Handler: handler}
	go func() { _ = s.endpoint.Serve(listener) }()
	return nil
}

func idsOf(answers []queue.Answer) []uuid.UUID {
	ids := make([]uuid.UUID, len(answers))
	for i, answer := range answers {
		ids[i] = answer.QueueID
	}
	return ids
}
