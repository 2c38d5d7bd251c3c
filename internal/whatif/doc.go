// Package whatif plays what has run against other limits: how long would each workspace have waited? Command line, HTTP API and
// dashboard share it.
//
// It owns which limits a simulation has: those in force now, and those that would be in force after some changes, which are the same changes as
// package admin makes. Playing is package simulate's, and what has run is read by package facts. It changes nothing.
//
// Invariants:
//   - the limits in force are those of the view sluice.quotas: what is set for a time, else for good, else the plan's;
//   - a change that admin would refuse for its value is refused here too. Where a nominal quota is above what a workspace may run,
//     that counts as its nominal quota;
//   - a View has figures of one workspace only: no times, numbers or names of others. How long it would have waited still tells how busy
//     all were together, under a limit that they share;
//   - what is read is bounded by the caller, and the end of a context ends the simulation.
package whatif
