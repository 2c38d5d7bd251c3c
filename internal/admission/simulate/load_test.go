package simulate

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"sluice/internal/admission"
	"sluice/internal/admission/slots"
)

// load has the run know no more than a dispatcher that takes over: what is on record, which executions run, and how workspaces stood when this
// process last looked, as it did at the load before.
func (r *run) load(last time.Duration) {
	was, longest, fleet := r.input, r.ledger.Longest, r.ledger.Fleet
	r.input = admission.Input{Batch: was.Batch, CountsSlotTime: was.CountsSlotTime, Global: was.Global, Clocks: was.Clocks}
	r.ledger = slots.Ledger{Fleet: slots.Known(fleet.Seconds()), Longest: slots.Known(longest.Seconds()), Input: &r.input, Touched: r.charged}
	r.ledger.Learn()
	r.ledger.Pass(epoch.Add(r.now))
	on, stood := make([]admission.Tags, len(r.state)), make([]admission.Stood, len(r.state))
	for i := range r.state {
		w := &r.state[i]
		for class := range on[i] {
			on[i][class] = w.Absolute(admission.Class(class), was.Clocks[class])
		}
		if w.Ready > 0 && r.oldest(int32(i)) <= last {
			stood[i] = admission.Stood{Places: w.Places, Tags: w.Tags, Clocks: was.Clocks}
		}
		*w = admission.Workspace{ID: w.ID, Cohort: w.Cohort, Weight: w.Weight, Quota: w.Quota, Ready: w.Ready, Since: w.Since, Tags: on[i]}
		r.accounts[i] = slots.Account{Workspace: w, Mean: slots.Known(r.accounts[i].Mean.Seconds())}
	}
	for _, e := range r.running {
		w := &r.state[e.workspace]
		r.ledger.Resume(&r.holds[e.execution], &r.accounts[e.workspace], r.Executions[e.execution].Kind, w.Next(w.Used), epoch.Add(r.at[e.execution]), epoch.Add(r.now))
		w.Used++
	}
	r.backlog = r.backlog[:0]
	for i := range r.state {
		r.input.Recall(&r.state[i], on[i], stood[i])
		if r.seen[i] = false; r.state[i].Ready > 0 || r.state[i].Places != (admission.Places{}) {
			r.show(i)
		}
	}
}

// A process takes over every ten seconds, while some executions take 100. Each load forgot what those who had them were owed: they held a quarter
// to a half of their share.
func TestSharesHoldHoweverOftenProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]Config{
		"1 to 100":               sharing(10, 3*time.Hour, false, nil, seconds(1, 100)...),
		"nine short, one long":   sharing(100, time.Hour, false, nil, seconds(1, 1, 1, 1, 1, 1, 1, 1, 1, 100)...),
		"mixed":                  sharing(20, 3*time.Hour, false, []int{1, 1, 2, 3, 1}, seconds(1, 3, 10, 30, 100)...),
		"light and heavy":        sharing(10, 3*time.Hour, false, []int{10, 1}, seconds(1, 10)...),
		"light, heavy, one slot": sharing(1, 30*time.Hour, false, []int{1, 10}, seconds(3, 10)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, c.validate())
			r, last := newRun(c), time.Duration(0)
			held, all, weights := make([]float64, len(r.state)), 0.0, 0.0
			for !r.over() {
				was, used := r.now, make([]int, len(r.state))
				for i := range used {
					used[i] = r.state[i].Used
				}
				require.True(t, r.advance())
				for i := range used {
					held[i] += float64(used[i]) * (r.now - was).Seconds()
					all += float64(used[i]) * (r.now - was).Seconds()
				}
				if r.now-last > 10*time.Second {
					r.load(last)
					last = r.now
				}
				r.decide()
			}
			for _, w := range c.Workspaces {
				weights += float64(w.Weight)
			}
			for i, w := range c.Workspaces {
				share := all * float64(w.Weight) / weights
				t.Logf("workspace %d held %.3f of its share", i, held[i]/share)
				require.InEpsilon(t, share, held[i], 0.05)
			}
		})
	}
}
