// Package audit judges what has been recorded and seen: does it break an invariant of the design?
//
// It is pure: it must not know a clock, SQL or Temporal, and imports nothing but uuid. internal/store/facts reads what is on
// record, internal/operate looks at Temporal and puts the two together.
//
// The invariants, and what is looked at for each:
//
//  1. An item is a row of one table, pending, running or ended, and its workflow is open only while that is running. That it
//     is in none is seen where a unique key answers with an item that is nowhere.
//  2. No claim takes a workspace above the limit in force, nor its cohort, nor all workspaces together, and none takes what is
//     paused. The recorded intervals are replayed against the recorded limits. A cut drains, so only claims are judged, not what
//     is held. A claim that was undone has left no interval.
//  3. A slot is held if and only if its workflow is open. A slot is a row of running, so what is left to ask Postgres is
//     whether that row is of what runs; the rest is asked of Temporal.
//  4. No ready item waits while its workspace has a free slot and the dispatcher runs.
//  5. An acknowledged enqueue is never lost: from inside, that is what 1 sees of it. The rest only the application knows.
//  6. No execution runs a version of another workspace's definition.
//
// Postgres and Temporal cannot be read at one instant, and between them something is always on its way. So what looks
// wrong is a doubt, and counts only if it is wrong in the same way when it is looked at again, a grace later.
package audit
