// Package schema owns the Postgres schema `sluice`: the migrations under migrations/ are the only DDL there is.
//
// It must not know what the rows mean to the dispatcher, nor Temporal; it knows nobody else in this module.
//
// The states of one queue item, and the table that holds it meanwhile:
//
//	execution_queue          PENDING
//	workflow_executions      CLAIMED, then DISPATCHED while the execution is RUNNING, COMPLETED, FAILED, CANCELLED,
//	                         TERMINATED or TIMED_OUT
//	refused_items            FAILED, CANCELLED, EXPIRED: ended without an execution, with a reason
//
// A row of slots says that the workspace holds a slot: from the claim until the outcome, and nothing else counts.
//
// Invariants:
//   - an id lives in exactly one of the three tables; a transition moves it in one statement;
//   - an execution has the id of its queue item;
//   - a slot exists if and only if its execution is CLAIMED or RUNNING;
//   - an enqueue takes no lock that another enqueue or the dispatcher waits for (two enqueues of one unique_key excepted);
//   - the views queue_items, executions and activity keep their columns and words.
//
// endings tells which executions have given back a slot, and when: a trigger writes a row for each statement. From its
// first row on it is complete, so old rows may be deleted by age.
//
// The activity log tells which limit was in force when: triggers write every change of a tier or a plan as it commits,
// whoever makes it, from the rows tier-recorded and plan-recorded on.
//
// Custom SQLSTATEs of sluice.enqueue: SL001 unknown workspace, SL002 unknown definition, SL003 foreign definition,
// SL004 input, SL005 priority, SL006 times, SL007 unique key, SL008 immutable version. SL009: claims that are under way
// kept a change of shards, cohorts or the global limit waiting.
package schema
