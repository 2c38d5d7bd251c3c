package places

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func quiet(int, int) {}

// hold takes places for a workspace until it would have to wait.
func hold(t *testing.T, p *Places, of uuid.UUID) (leaves []func()) {
	t.Helper()
	for {
		p.mu.Lock()
		may := p.taken.may(of, 1)
		p.mu.Unlock()
		if !may {
			return leaves
		}
		leave, err := p.Take(t.Context(), of, 0)
		require.NoError(t, err)
		leaves = append(leaves, leave)
	}
}

func TestAWorkspaceAloneHoldsAFifth(t *testing.T) {
	t.Parallel()
	for places, want := range map[int]int{500: 100, 100: 20, 10: 2, 5: 1, 2: 1, 1: 1} {
		require.Len(t, hold(t, New(places, quiet), uuid.New()), want, "of %d places", places)
	}
}

// What a workspace has here at once is bounded by what its calls take of memory.
func TestCallsWithLargeBodiesTakeMorePlaces(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int]int{0: 100, 64<<10 - 1: 100, 64 << 10: 50, 1 << 20: 6, 6 << 20: 1, 1 << 30: 1} {
		p := New(500, quiet)
		full, cancel := context.WithCancel(t.Context())
		cancel() // what would wait does not
		n := 0
		for ; ; n++ {
			if _, err := p.Take(full, uuid.UUID{1}, bytes); err != nil {
				break
			}
		}
		require.InDelta(t, want, n, 1, "with %d bytes", bytes)
		_, err := p.Take(full, uuid.UUID{2}, bytes)
		require.NoError(t, err, "another workspace has a place for such a call")
	}
}

// However many calls that are never answered 20 workspaces have, the next one finds a place.
func TestWorkspacesWhoseCallsHangLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	p := New(500, quiet)
	for range 20 {
		require.NotEmpty(t, hold(t, p, uuid.New()))
	}
	require.NotEmpty(t, hold(t, p, uuid.New()))
}

func TestWorkspacesThatWantMoreThanTheyMayComeToHoldTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(500, quiet)
		held := map[uuid.UUID][]func(){}
		ids := []uuid.UUID{{1}, {2}, {3}, {4}}
		for _, id := range ids {
			held[id] = hold(t, p, id)
		}
		require.Greater(t, len(held[ids[0]]), len(held[ids[3]]))
		for round := range 400 { // each call in turn is answered, and another one made
			id := ids[round%len(ids)]
			if len(held[id]) > 0 {
				held[id][0]()
				held[id] = held[id][1:]
			}
			for _, id := range ids {
				held[id] = append(held[id], hold(t, p, id)...)
			}
		}
		for _, id := range ids {
			require.InDelta(t, 500/8, len(held[id]), 2, "a quarter of what four eighths leave")
		}
	})
}

// Whatever happens, the counts are those of a naive observer, and nobody waits who may take a place.
func TestPlacesKeepTheirInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.IntRange(1, 30).Draw(r, "size")
		ids := []uuid.UUID{{1}, {2}, {3}, {4}, {5}}
		synctest.Test(t, func(t *testing.T) {
			var shownTaken, shownWaiting int
			p := New(size, func(taken, waiting int) { shownTaken, shownWaiting = taken, waiting })
			type call struct {
				of     uuid.UUID
				weight int
				cancel context.CancelFunc
				leave  func()
				err    error
				done   bool
			}
			var calls []*call
			drop := func(c *call) { calls = slices.DeleteFunc(calls, func(other *call) bool { return other == c }) }
			in := func(of uuid.UUID, placed bool) (n int) {
				for _, c := range calls {
					if c.err == nil && c.done == placed && (of == uuid.Nil || c.of == of) {
						n += c.weight
					}
				}
				return n
			}
			may := func(of uuid.UUID, weight int, placed bool) bool { // naively: place by place
				held, free := in(of, placed), size-in(uuid.Nil, placed)
				for held > 0 && weight > 1 {
					if 4*held >= free {
						return false
					}
					held, free, weight = held+1, free-1, weight-1
				}
				return weight <= free && (held == 0 || 4*held < free)
			}
			for range rapid.IntRange(1, 80).Draw(r, "steps") {
				if len(calls) == 0 || rapid.IntRange(0, 2).Draw(r, "what") > 0 {
					of := rapid.SampledFrom(ids).Draw(r, "of")
					weight := rapid.IntRange(1, max(1, size/5)).Draw(r, "weight")
					mayCall, mayWait := may(of, weight, true), may(of, weight, false)
					ctx, cancel := context.WithCancel(context.Background())
					c := &call{of: of, weight: weight, cancel: cancel}
					go func() {
						c.leave, c.err = p.Take(ctx, of, (weight-1)*bytesOfPlace)
						c.done = true
					}()
					synctest.Wait()
					require.Equal(t, mayCall, c.done && c.err == nil)
					require.Equal(t, !mayCall && !mayWait, errors.Is(c.err, ErrFull))
					if c.err != nil {
						cancel()
					} else {
						calls = append(calls, c)
					}
				} else {
					c := rapid.SampledFrom(calls).Draw(r, "call")
					if c.done {
						c.leave()
					}
					c.cancel()
					synctest.Wait()
					if !c.done || c.err != nil {
						require.ErrorIs(t, c.err, context.Canceled)
					}
					drop(c)
				}
				taken, waiting := in(uuid.Nil, true), in(uuid.Nil, false)
				require.LessOrEqual(t, taken, size)
				require.LessOrEqual(t, waiting, size)
				require.Equal(t, [2]int{taken, waiting}, [2]int{shownTaken, shownWaiting}, "what is shown")
				for _, c := range calls {
					require.False(t, !c.done && may(c.of, c.weight, true), "it waits and may take a place")
				}
			}
			for _, c := range calls {
				c.cancel()
			}
			synctest.Wait()
			for _, c := range calls {
				if c.err == nil {
					c.leave()
				}
			}
			synctest.Wait()
			p.mu.Lock()
			defer p.mu.Unlock()
			require.Empty(t, p.line)
			require.Empty(t, p.taken.of)
			require.Empty(t, p.waiting.of)
		})
	})
}

// Whoever waits longest of those that hold fewest is next.
func TestAPlaceThatGetsFreeGoesToWhoHoldsFewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(2, quiet)
		a, b, c := uuid.UUID{1}, uuid.UUID{2}, uuid.UUID{3}
		first := hold(t, p, a)
		second := hold(t, p, b)
		var order []uuid.UUID
		var leaves []func()
		ask := func(of uuid.UUID) {
			go func() {
				leave, err := p.Take(t.Context(), of, 0)
				if err == nil {
					order, leaves = append(order, of), append(leaves, leave)
				}
			}()
			synctest.Wait()
		}
		ask(a)
		ask(c)
		first[0]() // a and c hold none, and a came first
		synctest.Wait()
		require.Equal(t, []uuid.UUID{a}, order)
		second[0]()
		synctest.Wait()
		require.Equal(t, []uuid.UUID{a, c}, order)
		for _, leave := range leaves {
			leave()
		}
	})
}
