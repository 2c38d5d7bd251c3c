package simulate

import (
	"math"
	"time"
)

// slotTally judges slot time: while it is contended, at each moment the slots in use are divided by weight among all that hold some
// or wait, and none gets more than its limits or its items allow.
type slotTally struct {
	contended bool
	judged    int
	present   []int32 // workspaces that hold slots or wait
	known     []bool  // whether a workspace is among them
	got       []float64
	ideal     []float64 // in seconds
	lag       []float64
	maxLag    []float64
	rooms     []float64
	weights   []int
	fluid     []float64
}

func newSlotTally(n int) slotTally {
	return slotTally{known: make([]bool, n), got: make([]float64, n), ideal: make([]float64, n), lag: make([]float64, n), maxLag: make([]float64, n)}
}

// came notes that a workspace has work.
func (t *slotTally) came(place int) {
	if !t.known[place] {
		t.known[place] = true
		t.present = append(t.present, int32(place))
	}
}

// passed judges a time in which nothing has begun.
func (t *slotTally) passed(r *run, time time.Duration) {
	if time <= 0 || !r.judging {
		return
	}
	if !t.contended {
		for _, place := range t.present {
			t.lag[place] = 0
		}
		return
	}
	t.judged++
	t.rooms, t.weights = t.rooms[:0], t.weights[:0]
	held, stay := 0, t.present[:0]
	for _, place := range t.present {
		w := &r.state[place]
		if w.Used+w.Ready == 0 {
			t.known[place] = false
			continue
		}
		stay = append(stay, place)
		held += w.Used
		t.rooms, t.weights = append(t.rooms, float64(min(max(w.Ceiling, w.Used), w.Used+w.Ready))), append(t.weights, w.Weight)
	}
	t.present = stay
	t.fluid = pour(t.fluid[:0], float64(held), t.rooms, t.weights)
	for i, place := range t.present {
		seconds := time.Seconds()
		got, ideal := float64(r.state[place].Used)*seconds, t.fluid[i]*seconds
		t.got[place], t.ideal[place] = t.got[place]+got, t.ideal[place]+ideal
		t.lag[place] += ideal - got
		t.maxLag[place] = max(t.maxLag[place], t.lag[place])
	}
}

// fairness is of the workspaces to which the schedule gives the slot time of so many executions that one more or less does not matter.
func (t *slotTally) fairness(r *run) *Fairness {
	f := Fairness{Judged: t.judged}
	var shares []float64
	for i := range t.got {
		f.MaxLag = max(f.MaxLag, t.maxLag[i])
		mean := r.held[i].Seconds() / math.Max(1, float64(len(r.waits[i])))
		if t.ideal[i] > 0 && t.ideal[i] >= fewest*mean {
			shares = append(shares, t.got[i]/t.ideal[i])
		}
	}
	f.Jain = Jain(shares)
	return &f
}
