package slots

import (
	"time"

	"sluice/internal/admission"
)

// Mean is for how long executions have held their slots of late.
type Mean struct {
	Count  int     // of executions, up to recent
	Micros float64 // on average
}

// recent is of how many executions a mean is: an older one counts less and less.
const recent = 16

// Known is a mean that is on record, in seconds; one that is no time is not known. Of how many executions it is is not on record, and it counts as
// of recent ones. Were it of one, the next one to end would count for half.
func Known(seconds float64) Mean {
	if micros := seconds * 1e6; micros > 0 && micros <= mostEstimate {
		return Mean{Count: recent, Micros: micros}
	}
	return Mean{}
}

// Seconds is what is put on record.
func (m Mean) Seconds() float64 { return m.Micros / 1e6 }

// Expected is for how long the next execution is expected to hold its slot of which this is known; or else as any does.
func (m Mean) Expected(any Mean) time.Duration {
	switch {
	case m.Count > 0:
		return duration(m.Micros)
	case any.Count > 0:
		return duration(any.Micros)
	}
	return Unknown
}

func (m *Mean) add(micros float64) {
	m.Count = min(m.Count+1, recent)
	m.Micros += (micros - m.Micros) / float64(m.Count)
}

// Kind is what executions of a workspace have in common that take alike: their definition, or their workflow type.
type Kind struct {
	Definition [16]byte
	Type       string
}

// Account is what is known of how long executions of a workspace take.
type Account struct {
	Workspace *admission.Workspace
	Owner     any // the caller's
	Mean      Mean
	only      Kind
	kinds     map[Kind]*Mean // nil while there is only one
}

func (a *Account) add(kind Kind, micros float64) {
	switch {
	case a.Mean.Count == 0:
		a.only = kind
	case a.kinds == nil && kind != a.only:
		of := a.Mean
		a.kinds = map[Kind]*Mean{a.only: &of}
	}
	a.Mean.add(micros)
	if a.kinds == nil {
		return
	}
	of := a.kinds[kind]
	if of == nil {
		if len(a.kinds) >= mostKinds {
			return
		}
		of = &Mean{}
		a.kinds[kind] = of
	}
	of.add(micros)
}

// mostKinds bounds what is kept of one workspace. Others count as the workspace's.
const mostKinds = 100

// Unknown is what an execution is taken to hold its slot for while nothing has ended yet that could tell.
const Unknown = 10 * time.Second

const (
	leastEstimate = float64(time.Millisecond / time.Microsecond)
	mostEstimate  = float64(24 * time.Hour / time.Microsecond)
)

// Expected is for how long the next execution of a workspace is expected to hold its slot: as those of the workspace did, or else as
// any did.
func (l *Ledger) Expected(a *Account) time.Duration {
	return a.Mean.Expected(l.Fleet)
}

// expectedOf is the same for an execution of a kind.
func (l *Ledger) expectedOf(a *Account, kind Kind) time.Duration {
	if of := a.kinds[kind]; of != nil {
		return duration(of.Micros)
	}
	return l.Expected(a)
}

func duration(micros float64) time.Duration {
	return time.Duration(min(max(micros, leastEstimate), mostEstimate)) * time.Microsecond
}
