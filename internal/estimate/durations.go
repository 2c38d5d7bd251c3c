package estimate

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// Durations are for how long executions have held their slots of late.
type Durations struct {
	sorted []float64 // in seconds
	share  []float64 // of all that take at most so long
	tail   float64   // how much longer than the last those take that take longer, on average
	mean   float64
	// doubt is how far the mean may be off, as the standard deviation of its logarithm.
	doubt float64
}

// Execution is one that has been seen of late.
type Execution struct {
	Began time.Duration // so long ago
	Ran   time.Duration // until it ended, or until now
	Ended bool
}

const (
	// enough is of how many executions their own spread is a figure. Of fewer it is taken to be that of an exponential distribution.
	enough = 8
	// drift is how much durations change by themselves from a quarter of an hour to the next, at the least.
	drift = 0.02
	// foreign is how much the durations of one workspace differ from those of all others.
	foreign = 0.7
	// ofMean is of how many executions a mean on record is, see package slots.
	ofMean = 16
)

// Observed are the durations of executions that have ended within a window. Those that still run count as well: if they were left
// out, then soon after a beginning only the short ones would be known. It is the product-limit estimate (Kaplan and Meier, 1958).
func Observed(window time.Duration, all []Execution) Durations {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Execution) int { return cmp.Compare(a.Ran, b.Ran) })
	n, within := 0, 0
	for _, e := range all {
		if e.Ended {
			n++
			if e.Began <= window {
				within++
			}
		}
	}
	if n == 0 {
		return Durations{}
	}
	// One that began before the window is seen only because it took so long. Where most are such, they have to do.
	var entries []float64
	for _, e := range all {
		if since := e.Began - window; since > 0 && within*2 > n {
			entries = append(entries, since.Seconds())
		}
	}
	slices.Sort(entries)
	d, exposure := Durations{}, 0.0
	for _, e := range all {
		exposure += e.Ran.Seconds()
	}
	left := 1.0
	for i, e := range all {
		if !e.Ended {
			continue
		}
		seconds := max(e.Ran.Seconds(), 0.001)
		risk := len(all) - i - (len(entries) - sort.SearchFloat64s(entries, seconds))
		before := left
		left *= 1 - 1/float64(max(risk, 1))
		d.sorted, d.share = append(d.sorted, seconds), append(d.share, 1-(before+left)/2)
	}
	return d.finish(max(exposure/float64(n), 0.001))
}

// finish works out the mean. That of an exponential distribution, of all the time that was seen for each end, has to do where few have ended,
// and behind the longest.
func (d Durations) finish(exponential float64) Durations {
	n, last, squares := len(d.sorted), 0.0, 0.0
	for i, s := range d.sorted {
		part := d.share[i] - last
		d.mean, squares, last = d.mean+part*s, squares+part*s*s, d.share[i]
	}
	d.mean, squares = d.mean/last, squares/last
	d.tail = math.Sqrt(max(0, squares-d.mean*d.mean))
	if 1-last > 1/float64(n+1) { // many still run
		d.tail = max(d.tail, exponential)
	}
	over := d.sorted[n-1] + max(d.tail, 0.001)
	d.mean, squares = d.mean*last+(1-last)*over, squares*last+(1-last)*over*over
	spread := math.Sqrt(max(0, squares-d.mean*d.mean)) / d.mean
	if n < enough {
		d.mean, spread = exponential, max(spread, 1)
	}
	d.doubt = math.Sqrt(spread*spread/float64(n) + drift*drift)
	return d
}

// Averaged are durations of which only their mean is known.
func Averaged(mean time.Duration) Durations {
	return Durations{mean: max(mean.Seconds(), 0), doubt: 1 / math.Sqrt(ofMean)}
}

// Known tells whether they are.
func (d Durations) Known() bool { return d.mean > 0 }

// or is what is known of a workspace, or else of all.
func (d Durations) or(all Durations) Durations {
	if d.Known() || !all.Known() {
		return d
	}
	all.doubt = math.Sqrt(all.doubt*all.doubt + foreign*foreign)
	return all
}

// draw is how much longer an execution takes that has taken so long already, where all take scale times as long as of late.
func (d Durations) draw(rnd *rand.Rand, scale float64, taken time.Duration) time.Duration {
	n := len(d.sorted)
	if n < enough {
		return lasts(rnd.ExpFloat64() * d.mean * scale)
	}
	from, done := 0.0, taken.Seconds()/scale
	if taken > 0 {
		from = d.upTo(done)
	}
	u := from + rnd.Float64()*(1-from)
	k := sort.SearchFloat64s(d.share, u)
	if k == n {
		return lasts((max(0, d.sorted[n-1]-done) + rnd.ExpFloat64()*max(d.tail, done/4)) * scale)
	}
	below, share := 0.0, 0.0
	if k > 0 {
		below, share = d.sorted[k-1], d.share[k-1]
	}
	return lasts(max(0, below+(d.sorted[k]-below)*(u-share)/(d.share[k]-share)-done) * scale)
}

// upTo is the share of those that take at most so long.
func (d Durations) upTo(seconds float64) float64 {
	k := sort.SearchFloat64s(d.sorted, seconds)
	if k == len(d.sorted) {
		return d.share[k-1]
	}
	below, share := 0.0, 0.0
	if k > 0 {
		below, share = d.sorted[k-1], d.share[k-1]
	}
	return share + (d.share[k]-share)*min((seconds-below)/max(d.sorted[k]-below, 1e-9), 1)
}

func lasts(seconds float64) time.Duration {
	return time.Duration(min(seconds, longest) * float64(time.Second))
}

// longest is longer than anything is played for, in seconds.
const longest = 1e9

// scale is by what factor the durations of one run differ from those of late.
func (d Durations) scale(rnd *rand.Rand) float64 {
	return math.Exp(min(max(rnd.NormFloat64(), -3), 3)*d.doubt - d.doubt*d.doubt/2)
}
