// Package queue is the execution queue as applications and activities see it.
//
// Applications import it to enqueue, beside their own data if they like:
//
//	q := queue.New(pool)
//	answer, err := q.EnqueueTx(ctx, tx, queue.Item{WorkspaceID: ws, DefinitionID: def, Input: input})
//
// It owns all SQL that is not DDL, and the database's clock rules in it. It must not know Temporal, and it decides
// nothing: which workspace may start how many is package admission's to say, on what Capacity reads. Each transition is
// guarded in its own statement, so a late writer loses.
//
// One item, from here to there; each arrow is one statement:
//
//	Enqueue ─► PENDING ─ Claim ─► CLAIMED ─ Settle ─► DISPATCHED (RUNNING) ─ RecordOutcome ─► DISPATCHED (COMPLETED, …)
//	             ▲  │                │
//	             │  └─ Cancel, Expire ─► CANCELLED, EXPIRED
//	             ├──── Requeue ──────┤
//	             │                   └─ Refuse ─► FAILED
//	             └──── Retry ──────────────────────┘
//
// A Recorder is RecordOutcome for many at a time: the outcomes that come while a statement is under way share the next.
// Enqueue does likewise for items without a key and times, unless it is in somebody's transaction.
//
// Locks: an execution before its slot, and of many executions, or slots, the one with the lowest id first. Whoever keeps
// to that cannot deadlock with another.
//
// What Temporal does on its own is followed, by reconciliation only: Reopen takes an execution whose workflow runs again
// after a reset, or an item whose start went through after all, back to RUNNING; Supersede puts the outcome of a later
// run in the place of an earlier one's.
//
// Fencing: a dispatcher run opens an epoch, and each claim names (epoch, cycle). A cycle is accepted once and only in
// the newest epoch. The capacity that a claim was decided on is read after the previous claim was accepted, so the
// usage it assumed includes every accepted claim: a cap holds although two workers may run the same step. Each claim
// takes a number for its dispatch, and each dispatch that was not handed its claims takes another: only the newest may
// undo claims.
//
// A dispatcher remembers the backlog between its cycles (Memory) and reads again what bells tell has changed; everything
// when another process has claimed or dispatched meanwhile. What it remembers lies ready as the policy takes it (desk): a
// decision runs over all workspaces, and makes nothing anew for those that have not changed. Claims do not trust it: they
// hold against what Postgres knows. Cursors, places in the claim index before which nothing waits, keep claims flat while an
// old snapshot keeps deleted rows in it; bounds, numbers below which a workspace holds no slot, do the same for counts of
// slots, and caps rest on them: see there. What a claim takes is handed on to its dispatch in memory (hand), and charged to
// virtual times there, which are on record with the next look (charges).
//
// Shards: several dispatchers may share the workspaces. Each workspace belongs to one, by a hash and the number of shards
// that is stored; a cohort belongs to one as a whole. Who owns what changes between claims only: whoever changes it locks
// sluice.dispatchers, and a claim holds that table before it takes its snapshot. So two dispatchers never claim for one
// workspace without the later seeing what the earlier took, and the caps hold as they do with one. A change also overtakes
// all dispatches, so that none undoes a claim that is another shard's by now.
//
// Each statement that brings items rings for them itself; where one does not, a trigger does, item by item. A transaction
// wakes at its commit whoever is parked then. An enqueue that is a transaction of its own does so while it inserts, which
// is cheaper, and knows only who was parked when it began: so who parks looks again soon, and then ever more seldom.
//
// NOTIFY is a hint, the doorbell table is the truth, and the poll interval bounds what both can miss.
package queue
