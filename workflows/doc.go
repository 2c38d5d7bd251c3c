// Package workflows holds Sluice's workflows and everything that others must agree on to reach them: names of task
// queues, workflow and activity types, search attributes, messages and payloads.
//
// It must not know SQL, the client or a clock of its own: it knows Temporal's workflow API, and asks for everything
// else by calling an activity by its registered name, through one typed helper per step (steps.go).
//
// Dispatcher admits and starts the items of one shard. It is a loop that never ends; its input is its whole state:
//
//  1. decide what this pass is for: messages may have paused or stopped it, or it is time to continue as new
//  2. CheckCapacity: who may start how many? While nothing can be started, look on for a spin
//  3. ClaimExecutions: take what was planned
//  4. DispatchExecutions: start what is claimed, whichever run claimed it, and begin anew
//  5. nothing can be started: AwaitWork, until there is work, a message, or ten minutes are over
//
// A run first takes its shard over (TakeOver), and carries the number of that turn in every step: a step of an earlier run is
// refused, or does nothing. A dispatcher whose shard is none any more ends at its next look.
//
// Execution runs one definition's graph on its workspace's task queue and records how it ended, whatever happens. It records
// that when the server has accepted what it sent, and sends so much in a workflow task and in all as the server takes.
// Recovery never ends either, and mends what no workflow is left to mend; a schedule sees to it that it runs.
//
// Invariants:
//   - the state is small: the backlog, the plan and the claims stay in Postgres and in the activities, and only sums go through
//     the history;
//   - steps 2 to 4 are local activities (2 is a regular one when the loop yields): 3 ms and 1 event each instead of 35 ms and 6.
//     They may run again when their workflow task is lost, so each is idempotent and its truth is in Postgres. From one to the
//     next it is 0.3 ms, so the spin is part of 2, where a look can follow it at once;
//   - 5 is a regular activity, and takes the steps 2 to 4 itself for what ends the wait, in a cycle of its own: the way back to a
//     workflow task would take as long as a start;
//   - nothing is claimed after a pause or a stop has been answered: before the answer the run takes its shard over again, so
//     that whatever was planned comes to nothing. What was claimed before is started all the same;
//   - the loop never stays longer than about a second in one workflow task, so messages are answered;
//   - a change here keeps the recorded histories in testdata/ replaying.
package workflows
