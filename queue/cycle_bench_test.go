package queue_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"sluice/queue"
)

// waitingFleet is what is read of n workspaces with a deep backlog.
func waitingFleet(n int, shape func(*rand.Rand, *queue.WorkspaceCapacity)) (all []queue.WorkspaceCapacity) {
	rnd := rand.New(rand.NewPCG(1, 1))
	now := time.Now()
	for i := range n {
		id := uuid.Must(uuid.NewRandomFromReader(rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16)})))
		since := now.Add(-time.Duration(rnd.IntN(1_000_000)) * time.Millisecond)
		w := queue.WorkspaceCapacity{WorkspaceID: id, Plan: "PRO", Limit: 10, Nominal: 10, Weight: 1, Used: rnd.IntN(3), Ready: 40, Since: &since}
		shape(rnd, &w)
		all = append(all, w)
	}
	return all
}

// What a cycle of the dispatcher costs beside its statements when so many workspaces wait and nothing has changed.
func BenchmarkCycle(b *testing.B) {
	const batch = 100
	for _, n := range []int{1000, 10_000, 100_000} {
		for name, shape := range map[string]func(*rand.Rand, *queue.WorkspaceCapacity){
			"room": func(*rand.Rand, *queue.WorkspaceCapacity) {},
			"full": func(rnd *rand.Rand, w *queue.WorkspaceCapacity) { // 99 % at their cap
				if rnd.IntN(100) > 0 {
					w.Used = w.Limit
				}
			},
			"mixed": func(rnd *rand.Rand, w *queue.WorkspaceCapacity) { // weights, cohorts, rates, scheduled items
				w.Nominal, w.Weight, w.Own = 5, 1+rnd.IntN(8), rnd.Int64N(1<<30)
				if rnd.IntN(4) == 0 {
					w.Cohort = ptr(fmt.Sprint("c", rnd.IntN(20)))
				}
				if rnd.IntN(4) == 0 {
					w.StartsPerSecond, w.Burst = ptr(1.0), ptr(5)
					w.Tokens, w.TokensAt = ptr(rnd.Float64()), ptr(time.Now())
				}
				if rnd.IntN(4) == 0 {
					w.NextDue = ptr(time.Now().Add(time.Hour))
				}
			},
		} {
			b.Run(fmt.Sprint(name, "/", n), func(b *testing.B) {
				shared := queue.Capacity{Now: time.Now()}
				for i := range 20 {
					shared.Cohorts = append(shared.Cohorts, queue.CohortCapacity{Cohort: fmt.Sprint("c", i), Nominal: 5 * n / 80, Weight: 4 * n / 80})
				}
				memory := queue.Remembering(shared, waitingFleet(n, shape), batch)
				granted, lines := decideOnMemory(memory, batch)
				require.Positive(b, granted)
				require.Positive(b, lines)
				b.ReportAllocs()
				for b.Loop() {
					memory.Stir(2 * batch)
					decideOnMemory(memory, batch)
				}
			})
		}
	}
}

func decideOnMemory(memory *queue.Memory, batch int) (grants, lines int) {
	p := memory.Decided(batch)
	return len(p.Grants), len(p.Lines)
}
