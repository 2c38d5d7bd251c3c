// Package share divides the global limit among shards.
//
// Shards that are short share by weight what the others hold. What a shard holds, or may hold already, it keeps, until another is short
// of its part by a slot and by a twentieth of it: then a shard that is above its part does not replace what ends. A slot that cannot be
// divided goes to the shard that has been served least, and stays a second longer with it than with the others, because each change has
// every shard plan again.
//
// It is pure: it must not know a clock, SQL or Temporal.
//
// # Invariants
//
//   - what shards may hold, or hold above that, is never more than the limit in sum;
//   - while more than the limit is held, after a cut, no shard may replace what ends;
//   - a slot that nobody holds or may hold goes to a shard that is short.
package share

import (
	"cmp"
	"math"
	"slices"
)

// Shard is what one shard has of the limit.
type Shard struct {
	Slots  int     // what it may hold
	Used   int     // what it holds; more than Slots where it was cut
	Weight int     // of its workspaces that wait or hold slots, where it is short; otherwise 0
	More   int     // how many slots it could use at once beyond those it holds
	Served float64 // slots it might hold times seconds, divided by its weight, since it is short
}

func (s *Shard) short() bool { return s.Weight > 0 }

// held is what nobody else can be given.
func (s *Shard) held() int {
	if s.short() {
		return max(s.Slots, s.Used)
	}
	return s.Used
}

// Divide returns how many slots each shard may hold from now on, and whether that is a change for one that is short.
func Divide(limit int, shards []Shard) (slots []int, changes bool) {
	slots = make([]int, len(shards))
	free := limit
	for i := range shards {
		free -= shards[i].held()
	}
	if free >= 0 {
		deal(limit, free, shards, slots)
	}
	for i := range shards {
		changes = changes || shards[i].short() && slots[i] != shards[i].Slots
	}
	return slots, changes
}

func deal(limit, free int, shards []Shard, slots []int) {
	part, whole := parts(limit, shards)
	order := make([]int, len(shards))
	wishes, cut := 0, false
	for i := range shards {
		order[i] = i
		wish := wishOf(&shards[i], whole[i])
		wishes += wish
		cut = cut || wish > 0 && float64(wish) >= part[i]/20
	}
	cut = cut && wishes > free
	for i := range shards {
		s := &shards[i]
		switch slots[i] = s.held(); {
		case s.short() && slots[i] > whole[i] && cut:
			slots[i] = min(s.Slots, whole[i])
		case s.short() && slots[i] > whole[i]:
			slots[i] = s.Slots
		}
		free += s.held() - max(slots[i], s.Used)
	}
	// What is free goes to those that lack of their part, and what is left then to any that can use it; those served least come first.
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(shards[a].Served, shards[b].Served) })
	for _, i := range order {
		gift := min(wishOf(&shards[i], whole[i]), free)
		slots[i], free = slots[i]+gift, free-gift
	}
	for _, i := range order {
		if s := &shards[i]; s.short() {
			holds := max(slots[i], s.Used)
			if gift := min(s.Used+s.More-holds, free); gift > 0 {
				slots[i], free = holds+gift, free-gift
			}
		}
	}
}

// wishOf is how many slots more a shard is to have.
func wishOf(s *Shard, part int) int {
	if !s.short() {
		return 0
	}
	return max(0, min(part, s.Used+s.More)-s.held())
}

// parts are what is due to each shard that is short, and the same in whole slots.
func parts(limit int, shards []Shard) (part []float64, whole []int) {
	part, whole = make([]float64, len(shards)), make([]int, len(shards))
	shared, weight := limit, 0.0
	var short []int
	for i := range shards {
		if s := &shards[i]; s.short() {
			weight += float64(s.Weight)
			short = append(short, i)
		} else {
			shared -= s.Used
		}
	}
	rest := shared
	for _, i := range short {
		part[i] = float64(shared) * (float64(shards[i].Weight) / weight)
		whole[i] = int(math.Floor(part[i]))
		rest -= whole[i]
	}
	served := func(i int) float64 {
		if s := &shards[i]; s.held() > whole[i] { // it has one of these slots
			return s.Served - 1/float64(s.Weight)
		}
		return shards[i].Served
	}
	slices.SortStableFunc(short, func(a, b int) int { return cmp.Compare(served(a), served(b)) })
	for _, i := range short[:min(max(0, rest), len(short))] {
		whole[i]++
	}
	return part, whole
}
