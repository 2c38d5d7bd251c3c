package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that goes wrong.
type Fault struct {
	Number int
	At     time.Duration // since the beginning
	Kind   Kind
	For    time.Duration // how long it lasts; zero where it is over at once
	Choice uint64        // picks among the candidates of that moment
}

// String is a line of the plan.
func (f Fault) String() string {
	line := fmt.Sprintf("%3d  %8s  %s", f.Number, f.At.Round(time.Millisecond), f.Kind)
	if f.For > 0 {
		line += fmt.Sprintf(" for %s", f.For.Round(time.Millisecond))
	}
	return line
}

// Faults come 2.5 to 6.5 s apart: 800 an hour. Many last longer, so that they overlap.
const (
	shortestGap = 2500 * time.Millisecond
	longestGap  = 6500 * time.Millisecond
)

// Make plans the faults of a run. They are dealt from a shuffled deck that has one card of each kind first, so that each occurs in a run of
// five minutes, and then the others of those kinds that have more. No kinds means all.
func Make(seed uint64, duration time.Duration, kinds []Kind) []Fault {
	random := rand.New(rand.NewPCG(seed, 0x736c75696365)) // one stream of numbers for each purpose of a seed
	var deck, more []profile
	for _, p := range profiles {
		if len(kinds) == 0 || slices.Contains(kinds, p.kind) {
			deck = append(deck, p)
			more = append(more, slices.Repeat([]profile{p}, p.weight-1)...)
		}
	}
	firsts := len(deck)
	deck = append(deck, more...)
	shuffle := func(cards []profile) {
		random.Shuffle(len(cards), func(i, j int) { cards[i], cards[j] = cards[j], cards[i] })
	}
	var faults []Fault
	dealt := len(deck)
	for at := between(random, shortestGap, longestGap); at < duration; at += between(random, shortestGap, longestGap) {
		if dealt == len(deck) {
			shuffle(deck[:firsts])
			shuffle(deck[firsts:])
			dealt = 0
		}
		p := deck[dealt]
		dealt++
		faults = append(faults, Fault{Number: len(faults) + 1, At: at, Kind: p.kind, For: between(random, p.shortest, p.longest), Choice: random.Uint64()})
	}
	return faults
}

// between includes the shortest and, where they differ, excludes the longest.
func between(random *rand.Rand, shortest, longest time.Duration) time.Duration {
	if longest <= shortest {
		return shortest
	}
	return shortest + time.Duration(random.Int64N(int64(longest-shortest)))
}

// ParseKinds reads a list separated by commas; empty means all.
func ParseKinds(list string) ([]Kind, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	var kinds []Kind
	for word := range strings.SplitSeq(list, ",") {
		kind := Kind(strings.TrimSpace(word))
		if !slices.Contains(Kinds(), kind) {
			return nil, fmt.Errorf("unknown kind of fault %q: choose from %v", kind, Kinds())
		}
		kinds = append(kinds, kind)
	}
	return kinds, nil
}
