// Package recovery compares Postgres with Temporal and mends what differs, and keeps the tables small.
//
// It does what no workflow and no dispatcher is left to do. It works on the store and on Temporal's client, and must not
// know the engine, the policy, or that it runs inside activities.
//
// There are four jobs. A pass (Pass, each second or two) makes a slot be held if and only if its workflow is open:
//
//	Temporal says   Postgres says                    what follows
//	closed          running                          the outcome is recorded, the slot freed
//	closed          ended, by an earlier run         the later outcome supersedes the earlier
//	open            ended, by an earlier run         it was reset: it holds a slot again
//	open            pending                          its start was taken for failed: it holds a slot
//	open            ended without an execution       the workflow is terminated
//	missing         running                          it ends TERMINATED
//	open            asked to cancel long ago         the workflow is terminated; a caller's own only if no worker carries it on
//	open            running, its task is refused     the workflow is terminated, and ends FAILED
//
// It also notes which open executions no worker carries on: their workflow task, or that of a child, is not taken or fails.
//
// Look compares single items in the same way as soon as a hint says that they may have ended: most ends of workflows that are not
// Sluice's own are learnt so. An end whose hint was lost is found by a pass.
//
// ReleaseStale puts claims back that no dispatcher has taken up. Sweep ends what has waited too long or waits for a
// workspace that is gone, makes partitions, and deletes what lies behind the retention and what is read no more.
//
// What Temporal lists is late and may be incomplete, so it only raises doubts: what counts is what the workflow itself
// answers (Describe). A list that is longer than one pass reads is read on by the next. An execution that no list shows is
// compared in turn, so that every slot is looked at every few seconds while there are few, and a deleted workflow is found.
// When the lists do not answer, the turn goes on. What is open has its turn too, a page in each pass, however long ago it started.
//
// Invariants:
//   - every statement guards the state that it starts from: two passes at once, or a pass and an outcome, do no harm;
//   - a pass makes a limited number of calls, however many executions there are;
//   - how far a pass has looked is noted only when it has compared all that it found: the next one looks at the same again;
//   - nothing is deleted that is younger than the retention, counted from its end.
package recovery
