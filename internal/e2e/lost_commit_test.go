package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/workflows"
)

// A step's statement has been committed and its answer is lost, once or for all its attempts. For the workflow it is
// the same whether the connection breaks behind the commit or the activity, having done its work, returns an error;
// so the meddler does the latter. Whatever is done again must change nothing.
func TestACommitWhoseAnswerIsLostIsNotDoneTwice(t *testing.T) {
	t.Parallel()
	for _, name := range []string{workflows.ActivityTakeOver, workflows.ActivityClaimExecutions, workflows.ActivityDispatchExecutions} {
		for _, lost := range []int{1, 3} { // three are all that a step has: then the whole cycle is done again
			t.Run(fmt.Sprintf("%s, %d lost", name, lost), func(t *testing.T) {
				t.Parallel()
				s := newStack(t)
				api := newEndpoint(t) // closed: nothing but the dispatcher changes the database
				ids := s.enqueueEach(s.callingWorkspaces(api, 2, 3), 3)
				a := &lostCommits{facts: s.facts, step: name, lost: lost}
				if name == workflows.ActivityDispatchExecutions {
					a.facts = s.settledFacts // starts are settled a moment later
				}
				s.runMeddled(a.meddle)
				repeated := min(lost+1, 3)
				require.Eventually(t, func() bool { return len(a.seen()) >= repeated }, patience, 10*time.Millisecond)
				s.awaitCount(5, `SELECT count(*) FROM sluice.running WHERE dispatched_at IS NOT NULL`)
				for _, again := range a.seen()[1:repeated] {
					require.Equal(t, a.seen()[0], again)
				}
				api.open()
				s.completedOnce(ids)
				for _, id := range ids {
					require.Equal(t, 1, api.callsOf(id))
				}
				require.Equal(t, 1, s.count(takeovers))
			})
		}
	}
}

func TestAnOutcomeWhoseAnswerIsLostIsNotRecordedTwice(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	api := newEndpoint(t)
	api.open()
	ids := s.enqueueEach(s.callingWorkspaces(api, 1), 1)
	a := &lostCommits{facts: s.facts, step: workflows.ActivityRecordOutcome, lost: 3}
	s.runMeddled(a.meddle)
	s.completedOnce(ids)
	require.Len(t, a.seen(), 4)
	for _, again := range a.seen()[1:] {
		require.Equal(t, a.seen()[0], again)
	}
}

// lostCommits loses the answers of a step that has been done, and looks at the facts after each time.
type lostCommits struct {
	facts func() (string, error)
	step  string
	lost  int // how many answers are lost
	mu    sync.Mutex
	after []string
}

func (a *lostCommits) meddle(ctx context.Context, s step, do func(context.Context) (any, error)) (any, error) {
	result, err := do(ctx)
	if s.name != a.step || err != nil {
		return result, err
	}
	facts, err := a.facts()
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.after = append(a.after, facts); len(a.after) <= a.lost {
		return nil, errors.New("the connection broke behind the commit")
	}
	return result, nil
}

func (a *lostCommits) seen() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.after)
}

// facts is what the database says, with the transaction that wrote each row: a row that is written again, even with
// the same words, is another fact. It leaves out what listens, what recovery has compared, and the turns of dispatches.
func (s *stack) facts() (facts string, err error) {
	err = s.pool.QueryRow(s.ctx, `
		SELECT string_agg(fact, E'\n' ORDER BY fact) FROM (
			SELECT concat_ws(' ', 'pending', x.xmin, x) FROM sluice.pending x
			UNION ALL SELECT concat_ws(' ', 'running', id, turn, claimed_at, dispatched_at, engine_run_id) FROM sluice.running
			UNION ALL SELECT concat_ws(' ', 'ended', x.xmin, x) FROM sluice.ended x
			UNION ALL SELECT concat_ws(' ', 'turn', x.xmin, x) FROM sluice.turns x WHERE kind <> 'handover'
			UNION ALL SELECT concat_ws(' ', 'dispatcher', x.xmin, x) FROM sluice.dispatchers x
			UNION ALL SELECT concat_ws(' ', 'event', x.xmin, x) FROM sluice.events x
			UNION ALL SELECT concat_ws(' ', 'log', x.xmin, x) FROM sluice.activity_log x
		) AS all_of_them (fact)`).Scan(&facts)
	return facts, err
}

// settledFacts is what the database says when all starts are settled.
func (s *stack) settledFacts() (facts string, err error) {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		var settled bool
		if err := s.pool.QueryRow(s.ctx, `SELECT NOT EXISTS (SELECT FROM sluice.running WHERE dispatched_at IS NULL)`).Scan(&settled); err != nil {
			return "", err
		}
		if settled {
			return s.facts()
		}
	}
	return "", errors.New("what was started is never settled")
}
