package audit

import (
	"time"

	"github.com/google/uuid"
)

// Most is how many offenders a finding names.
const Most = 20

// The invariants by their numbers in the design. The fifth is part of the first.
const (
	Place    = 1
	Cap      = 2
	Slot     = 3
	Progress = 4
	Owner    = 6
)

// Report is the outcome of an audit.
type Report struct {
	At       time.Time  `json:"at"` // by the database's clock
	Findings []*Finding `json:"invariants"`
}

// Finding is what was found about one invariant.
type Finding struct {
	Invariant  int      `json:"invariant"`
	Name       string   `json:"name"`
	Checked    int64    `json:"checked"`
	Violations int64    `json:"violations"`
	Offenders  []Breach `json:"offenders"`           // the first Most of them
	Unchecked  []string `json:"unchecked,omitempty"` // what could not be checked, and why
	Notes      []string `json:"notes,omitempty"`     // what there was no need to check, and why
}

// Breach is one violation: what it is about and what is wrong with it.
type Breach struct {
	ID   uuid.UUID `json:"id"` // of an item, which is also its execution's
	What string    `json:"what"`
}

// NewReport has a finding without violations for each invariant.
func NewReport(at time.Time) *Report {
	return &Report{At: at, Findings: []*Finding{
		{Invariant: Place, Name: "an item is in one place and starts once", Offenders: []Breach{}},
		{Invariant: Cap, Name: "no claim exceeds the limit in force", Offenders: []Breach{}},
		{Invariant: Slot, Name: "a slot is held while its workflow is open", Offenders: []Breach{}},
		{Invariant: Progress, Name: "nothing ready waits beside a free slot", Offenders: []Breach{}},
		{Invariant: Owner, Name: "a definition runs for its owner only", Offenders: []Breach{}},
	}}
}

// Of returns the finding about an invariant.
func (r *Report) Of(invariant int) *Finding {
	for _, f := range r.Findings {
		if f.Invariant == invariant {
			return f
		}
	}
	panic("no such invariant")
}

// Violations counts those of all invariants.
func (r *Report) Violations() (total int64) {
	for _, f := range r.Findings {
		total += f.Violations
	}
	return total
}

// Complete tells whether everything could be checked.
func (r *Report) Complete() bool {
	for _, f := range r.Findings {
		if len(f.Unchecked) > 0 {
			return false
		}
	}
	return true
}

// Add counts breaches that were found one by one.
func (f *Finding) Add(breaches ...Breach) { f.AddCounted(int64(len(breaches)), breaches) }

// AddCounted counts total breaches, of which the first are known.
func (f *Finding) AddCounted(total int64, first []Breach) {
	f.Violations += total
	f.Offenders = append(f.Offenders, first[:min(len(first), Most-len(f.Offenders))]...)
}
