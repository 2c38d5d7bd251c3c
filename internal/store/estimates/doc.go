// Package estimates is the record of when pending items are expected to start: what that is worked out from, and what has been.
//
// It owns the tables sluice.estimation and sluice.estimates. It must not know how it is worked out, which package estimate does, nor decide how
// often.
//
// Invariants:
//   - of all who want to work it out at the same time one does;
//   - nothing here takes a lock that a transition could wait for.
package estimates
