package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/internal/chaos/ledger"
	"sluice/internal/store"
)

func TestThatCallbacksAreNeverTakenIsAViolation(t *testing.T) {
	t.Parallel()
	for page, violations := range map[string]int{
		`sluice_executions_ended_total{by="recovery",status="COMPLETED"} 19`:                                                                         0, // too few to tell
		`sluice_executions_ended_total{by="recovery",status="COMPLETED"} 20`:                                                                         1,
		"sluice_executions_ended_total{by=\"recovery\",status=\"COMPLETED\"} 20\nsluice_executions_ended_total{by=\"callback\",status=\"FAILED\"} 1": 0,
	} {
		c := &chaos{stderr: io.Discard}
		require.NoError(t, c.counts.Show(1, strings.NewReader(page)))
		c.judgeLearnt()
		require.Len(t, c.violations, violations, page)
	}
}

func TestTheSlotOfAnItemThatEndsFromOutsideIsJudged(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	items := map[string]uuid.UUID{}
	for _, name := range []string{ownNaps, ownFails, ownContinues, nodeNoop} {
		ids, err := c.enqueueAll(t.Context(), c.cast.probe, name, 1)
		require.NoError(t, err)
		items[name] = ids[0]
	}
	_, err := c.queue.Cancel(t.Context(), items[ownFails], "test", "")
	require.NoError(t, err)
	c.claim(t, items[ownNaps], items[ownContinues], items[nodeNoop])
	end := func(name, run string) {
		_, err := store.RecordOutcome(t.Context(), c.pool, store.Outcome{ExecutionID: items[name], RunID: run, Status: "COMPLETED"})
		require.NoError(t, err)
	}
	end(ownNaps, "run")
	end(nodeNoop, "run")
	end(ownContinues, "run")
	reopened, err := store.Reopen(t.Context(), c.pool, store.Run{ExecutionID: items[ownContinues], RunID: "the next run"})
	require.NoError(t, err)
	require.True(t, reopened)
	end(ownContinues, "the next run")

	facts, err := c.facts(t.Context())
	require.NoError(t, err)
	of := map[uuid.UUID]ledger.Fact{}
	for _, f := range facts {
		of[f.ID] = f
	}
	require.WithinDuration(t, time.Now(), of[items[ownNaps]].Freed, time.Minute)
	require.False(t, of[items[ownNaps]].Regained)
	require.True(t, of[items[ownContinues]].Regained)
	require.Zero(t, of[items[ownFails]].Freed, "it never had a slot")
	require.Zero(t, of[items[nodeNoop]].Freed, "a definition records its end before it closes")
}
