package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// A slot that this process has freed can be filled without a look at Postgres, and a guess that is wrong costs nothing.
func TestWhatThisProcessFreesIsGuessed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 12)
	a := admits(t, b)
	guess := func() []queue.Grant {
		d, ok := a.memory.Guess(100)
		require.Equal(t, ok, len(d.Grants) > 0)
		return d.Grants
	}
	require.Empty(t, guess(), "it has never looked")
	a.cycle(t, 5)
	a.begin(t)
	require.Zero(t, a.carried(t))
	require.Empty(t, guess(), "nothing has been freed since")

	_, err := b.app.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[0], RunID: "run", Status: "COMPLETED"}) // another process
	require.NoError(t, err)
	require.Empty(t, guess())
	require.Zero(t, a.carried(t))

	end := func(id int) {
		recorded, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[id], RunID: "run", Status: "COMPLETED"})
		require.NoError(t, err)
		require.True(t, recorded)
	}
	end(1)
	require.Equal(t, b.grant(2), guess(), "what the last look found, and one more")
	a.fence.Cycle++
	claimed, err := a.memory.Claim(t.Context(), a.fence, b.grant(2))
	require.NoError(t, err)
	require.Equal(t, 2, claimed.New)
	a.begin(t)
	require.Zero(t, a.carried(t))

	end(2)
	require.Zero(t, a.carried(t), "a look knows of it")
	require.Empty(t, guess())
	claimed = a.cycle(t, 1)
	require.Equal(t, 1, claimed.New)
	a.begin(t)
	end(3)
	require.Empty(t, guess(), "what was claimed since the last look is not counted yet")
	require.Zero(t, a.carried(t))

	end(4)
	b.setLimit(t, "STARTER", 4)
	require.Len(t, guess(), 1, "it does not know of the cut")
	claimed = a.cycle(t, 1)
	require.Zero(t, claimed.New)
	b.checkInvariants(t)
}

func TestNobodyGuessesAtWhatIsShared(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ids := b.enqueueN(t, 4)
	a := admits(t, b)
	a.cycle(t, 2)
	a.begin(t)
	b.dispatch(t, ids[:2]...)
	b.exec(t, `UPDATE sluice.workspaces SET cohort = 'a' WHERE id = $1`, b.workspace)
	require.Zero(t, a.carried(t))
	_, err := b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[0], RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err)
	_, ok := a.memory.Guess(100)
	require.False(t, ok, "the cohort's quota")
	b.exec(t, `UPDATE sluice.workspaces SET cohort = NULL; UPDATE sluice.settings SET max_concurrent_workflows = 10`)
	require.Zero(t, a.carried(t))
	_, err = b.dispatcher.RecordOutcome(t.Context(), queue.Outcome{ExecutionID: ids[1], RunID: "run", Status: "COMPLETED"})
	require.NoError(t, err)
	_, ok = a.memory.Guess(100)
	require.False(t, ok, "the global limit")
}
