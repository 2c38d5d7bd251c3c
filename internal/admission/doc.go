// Package admission is the policy: which workspace may start how many executions next, and why the others wait.
//
// It is pure: it must not know a clock, SQL or Temporal, and imports nothing but uuid. Everything it decides on is in
// its arguments, so that a property test and a simulation can drive it.
//
// The deal. The workspaces stand in a circle, ordered by id. Beginning behind the one that was served last, each
// workspace with a free slot and a ready item gets one slot; then each gets its second, and so on, until the batch is
// full or nobody can take another. This is round robin with the cursor kept between cycles (Nagle, RFC 970, 1985).
//
// Invariants:
//   - a workspace never gets more slots than its limit leaves free, nor more than it has ready items;
//   - work-conserving: no slot of the batch stays unused while a workspace could take it;
//   - between two grants of one workspace no other gets two in the same round, and a workspace that can take a slot is
//     passed over for at most one turn of the circle, whatever the backlog of others: a backlog buys no share;
//   - the order of the argument does not matter.
package admission
