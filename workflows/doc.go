// Package workflows holds Sluice's workflows and everything that others must agree on to reach them: names of task
// queues, workflow and activity types, search attributes, messages and payloads.
//
// It must not know SQL, the client or a clock of its own: it knows Temporal's workflow API, and asks for everything
// else by calling an activity by its registered name, through one typed helper per step (steps.go).
//
// Dispatcher is a loop that never ends; its input is its whole state:
//
//	         ┌──────────────────────────────────────────────────────────────┐
//	         ▼                                                              │
//	1 messages ─ 2 CheckCapacity ─ 3 ClaimExecutions ─ 4 DispatchExecutions ┤ worked: again
//	  │ paused: wait for a message     │                                    │
//	  │ suggested: continue as new     └ nothing admissible for a spin: 5 park, until there is work
//
// With several shards there is a dispatcher for each, which works for the workspaces that belong to it. One whose shard is
// none any more ends at its next look.
//
// Execution runs one definition's graph on its workspace's task queue and records how it ended, whatever happens.
// Recovery never ends either, and mends what no workflow is left to mend; a schedule sees to it that it runs.
//
// Invariants:
//   - steps 2 to 4 are local activities (2 is a regular one when the loop yields): they may run again when their
//     workflow task is lost, so each is idempotent by (epoch, cycle) and its truth is in Postgres. From one to the next
//     it is 0.3 ms, so the spin is part of 2, where a look can follow it at once;
//   - 5 is a regular activity, and takes the steps 2 to 4 itself for what has woken it, in a cycle of its own: the way
//     back to a workflow task would take as long as a start;
//   - nothing is claimed after a pause or a stop has been answered: before the answer PassCycle takes the number of the
//     cycle that may still be under way;
//   - the dispatcher never waits longer than about a second inside one workflow task, so messages are answered;
//   - a change here keeps the recorded histories in testdata/ replaying.
package workflows
