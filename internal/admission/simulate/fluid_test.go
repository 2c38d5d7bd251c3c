package simulate

import (
	"container/heap"
	"math"
	"slices"
	"time"
)

// fluid is the oracle for slot time: generalised processor sharing (Parekh and Gallager, 1993), played with fractions of slots. It knows
// neither tags nor clocks nor estimates, and never looks at what the policy does: at each moment the slots are divided among all who
// have work left in it, by weight, and what it has given it remembers for ever. Limits are as in Kueue: first what is within nominal
// quotas, then the rest among those who may borrow; a cohort is one among the others, with the weight of all its members.
type fluid struct {
	Config
	at       time.Duration
	arrivals []Execution // those that are still to come
	of       []vessel
	cohorts  map[string]*pool
	rate     []float64
	peak     []float64 // the most it was ever given
	changed  bool      // somebody could use more slots, or fewer
}

// vessel is a workspace. Its executions share what it gets alike, each up to one slot.
type vessel struct {
	Workspace
	served float64 // slot seconds
	each   float64 // what each execution that is there has been given since the beginning
	until  floats  // an execution is over when each has been given so much
}

// pool is a cohort.
type pool struct {
	members []int
	weight  int
	lends   float64
}

func newFluid(c Config) *fluid {
	f := &fluid{Config: c, arrivals: slices.Clone(c.Executions), cohorts: map[string]*pool{}, rate: make([]float64, len(c.Workspaces)), peak: make([]float64, len(c.Workspaces))}
	slices.SortStableFunc(f.arrivals, func(a, b Execution) int { return int(a.At - b.At) })
	for i, w := range c.Workspaces {
		f.of = append(f.of, vessel{Workspace: w})
		p := f.cohorts[w.Cohort]
		if p == nil {
			p = &pool{}
			f.cohorts[w.Cohort] = p
		}
		p.members, p.weight, p.lends = append(p.members, i), p.weight+w.Weight, p.lends+float64(w.Nominal)-w.reserved()
	}
	return f
}

func (w *Workspace) reserved() float64 {
	if w.LendingLimit == nil || w.Cohort == "" {
		return 0
	}
	return float64(max(0, w.Nominal-*w.LendingLimit))
}

// own is how many slots it could use within its nominal quota, and borrowed how many beyond that.
func (v *vessel) own() float64 { return float64(min(v.Nominal, v.Ceiling, len(v.until))) }

func (v *vessel) borrowed() float64 {
	most := v.Ceiling
	if v.BorrowingLimit < most-v.Nominal {
		most = v.Nominal + v.BorrowingLimit
	}
	return max(0, float64(min(most, len(v.until)))-v.own())
}

// divide works out how many slots each workspace is given at this moment.
func (f *fluid) divide() {
	slots := math.Inf(1)
	if f.Global > 0 {
		slots = float64(f.Global)
	}
	clear(f.rate)
	lent := map[string]float64{}
	give := func(class func(*vessel) float64, left func(cohort string) float64) {
		type one struct {
			room   float64
			weight int
			rooms  []float64
			of     []int
		}
		var root []one
		for name, p := range f.cohorts {
			within := one{weight: p.weight}
			for _, i := range p.members {
				if room := class(&f.of[i]); room > 0 && name != "" {
					within.room, within.of, within.rooms = within.room+room, append(within.of, i), append(within.rooms, room)
				} else if room > 0 {
					root = append(root, one{room, f.of[i].Weight, []float64{room}, []int{i}})
				}
			}
			if within.room = min(within.room, left(name)); within.room > 0 {
				root = append(root, within)
			}
		}
		rooms, weights := make([]float64, len(root)), make([]int, len(root))
		for i, o := range root {
			rooms[i], weights[i] = o.room, o.weight
		}
		for i, amount := range level(slots, rooms, weights) {
			o := root[i]
			weights := make([]int, len(o.of))
			for n, k := range o.of {
				weights[n] = f.of[k].Weight
			}
			for n, part := range level(amount, o.rooms, weights) {
				v := &f.of[o.of[n]]
				lent[v.Cohort] += max(0, f.rate[o.of[n]]+part-v.reserved()) - max(0, f.rate[o.of[n]]-v.reserved())
				f.rate[o.of[n]] += part
				slots -= part
			}
		}
	}
	give((*vessel).own, func(string) float64 { return math.Inf(1) })
	give((*vessel).borrowed, func(cohort string) float64 { return f.cohorts[cohort].lends - lent[cohort] })
}

// level divides an amount by weight among those who take no more than they have room for: the level at which they are full is found
// by halving.
func level(amount float64, rooms []float64, weights []int) []float64 {
	parts, low, high := make([]float64, len(rooms)), 0.0, 0.0
	at := func(level float64) (sum float64) {
		for i, room := range rooms {
			parts[i] = min(room, level*float64(weights[i]))
			sum += parts[i]
		}
		return sum
	}
	for i, room := range rooms {
		high = max(high, room/float64(weights[i]))
	}
	if at(high) <= amount {
		return parts
	}
	for range 60 {
		if middle := (low + high) / 2; at(middle) > amount {
			high = middle
		} else {
			low = middle
		}
	}
	at(low)
	return parts
}

// pass lets time pass.
func (f *fluid) pass(to time.Duration) {
	for {
		for len(f.arrivals) > 0 && f.arrivals[0].At <= f.at {
			v := &f.of[f.arrivals[0].Workspace]
			heap.Push(&v.until, v.each+f.arrivals[0].Runs.Seconds())
			f.changed = f.changed || len(v.until) <= v.Ceiling
			f.arrivals = f.arrivals[1:]
		}
		if f.at >= to {
			return
		}
		if f.changed {
			f.changed = false
			f.divide()
			for i, rate := range f.rate {
				f.peak[i] = max(f.peak[i], rate)
			}
		}
		next := to
		if len(f.arrivals) > 0 {
			next = min(next, f.arrivals[0].At)
		}
		for i := range f.of {
			if v := &f.of[i]; f.rate[i] > 0 {
				left := (v.until[0] - v.each) * float64(len(v.until)) / f.rate[i]
				next = min(next, f.at+time.Duration(min(max(left*1e9, 1), 1e17)))
			}
		}
		seconds := (next - f.at).Seconds()
		for i := range f.of {
			if v := &f.of[i]; f.rate[i] > 0 {
				v.served += f.rate[i] * seconds
				v.each += f.rate[i] * seconds / float64(len(v.until))
				for len(v.until) > 0 && v.until[0] <= v.each {
					heap.Pop(&v.until)
					f.changed = f.changed || len(v.until) < v.Ceiling
				}
			}
		}
		f.at = next
	}
}

type floats []float64

func (f floats) Len() int           { return len(f) }
func (f floats) Less(i, j int) bool { return f[i] < f[j] }
func (f floats) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *floats) Push(x any)        { *f = append(*f, x.(float64)) }
func (f *floats) Pop() any {
	last := len(*f) - 1
	x := (*f)[last]
	*f = (*f)[:last]
	return x
}
