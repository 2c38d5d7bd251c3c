// Package schema owns the Postgres schema `sluice`: the migrations under migrations/ are the only DDL there is.
//
// It must not know what the rows mean to a dispatcher, nor Temporal; of this module it imports internal/postgres, which
// prepares its connections, and nothing else.
//
// An item is a row of exactly one of three tables:
//
//	pending    PENDING
//	running    CLAIMED, then DISPATCHED while its execution is RUNNING; a row is a slot that the workspace holds
//	ended      DISPATCHED, its execution COMPLETED, FAILED, CANCELLED, TERMINATED or TIMED_OUT (reason is NULL);
//	           or FAILED, CANCELLED, EXPIRED: ended without an execution, with a reason
//
// Invariants:
//   - a transition moves an item from table to table in one statement; the execution has the id of its item;
//   - nothing but rows of running counts as usage;
//   - an enqueue takes no lock that another enqueue or a dispatcher waits for (two enqueues of one unique key excepted);
//   - turns and events are only added, and deleted by age: whatever could make a dispatcher's knowledge too optimistic takes
//     the next turn of its shard as it commits, and each item has been told of by an event, unless it was inserted by hand;
//   - limit_changes has every change of a limit as it was committed, whatever made it;
//   - an input larger than 2,000 bytes is in inputs, once, and NULL in the row of its item;
//   - the views queue_items, executions and activity keep their columns and words;
//   - no statement needs a PostgreSQL newer than 13.
//
// ended and activity_log are partitioned by time: by the day, or by the month where the retention is 0 (for ever) or longer
// than a quarter. Recovery has partitions made three days ahead (make_partitions). What ends while there is none goes to
// ended_rest, is read like everything else, and stays there until it lies behind the retention. drop_partition drops a
// partition all of which lies behind the retention, and nothing else. Both give up rather than keep outcomes waiting for
// longer than a tenth of a second while another transaction has such a table locked, and are tried again. A look-up of an
// ended item by its id names ended_at >= made_at(id) too, so that older partitions are not read.
//
// SQLSTATEs of its own: SL001 unknown workspace, SL002 unknown definition, SL003 foreign definition, SL004 input, SL005
// priority, SL006 times, SL007 unique key, SL008 immutable version, SL009 a claim that is under way kept a change waiting,
// SL010 a change of limits in a transaction that is not READ COMMITTED, SL011 names, SL012 a key that is held, SL013 what a workflow is
// called, SL014 options of a workflow, SL015 an id made by a clock that is more than an hour ahead.
package schema
