// Package audit judges what has been recorded and seen: does it break an invariant of the design?
//
// It is pure: it must not know a clock, SQL or Temporal, and imports nothing but uuid. Package queue reads the facts,
// internal/operate looks at Temporal and puts the two together.
//
// The invariants, and what is looked at for each:
//
//  1. An item is in exactly one place, and its workflow runs only while it is an open execution. "None" is seen where
//     a unique key answers for an item that is nowhere.
//  2. No claim takes a workspace above the limit in force, nor its cohort, nor all workspaces together. The recorded
//     intervals are replayed against the recorded limits. A cut drains, so only claims are judged, not what is held. A
//     claim that was undone has left no interval.
//  3. A slot is held if and only if its execution is open in Postgres, and its workflow in Temporal.
//  4. No ready item waits while its workspace has a free slot and the dispatcher runs.
//  5. An acknowledged enqueue is never lost: from inside, that is what 1 sees of it. Only who enqueued knows the rest.
//  6. No execution runs a version of another workspace's definition.
//
// Postgres and Temporal cannot be read at one instant, and between them something is always on its way. So what looks
// wrong is a doubt, and counts only if it is wrong in the same way when it is looked at again, a grace later.
package audit
