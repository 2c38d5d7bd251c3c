// Package admit puts the starts of a Temporal client through the queue, without a change where they are made.
//
//	options := client.Options{HostPort: "temporal:7233"}
//	admit.Install(&options, queue.New(pool), nil)
//	c, err := client.Dial(options)
//
// Then a workflow that is started in the name of a workspace, by default that of its fairness key, waits in the queue until the
// workspace may start one more:
//
//   - ExecuteWorkflow returns as soon as the item is committed. GetRunID is the id of the item, and goes on naming that run.
//   - Get waits through the queue to the result. An item that was cancelled there gives a CanceledError, one that expired or could
//     not be started an ApplicationError of type SluiceExpired or SluiceNotStarted.
//   - DescribeWorkflowExecution shows a workflow that waits as running, with an empty history, as Temporal shows a start delay.
//   - CancelWorkflow and TerminateWorkflow end an item that waits; SignalWorkflow, QueryWorkflow, UpdateWorkflow and the like are
//     refused with FailedPrecondition until it has been started.
//   - A second start of a workflow id that waits or runs is AlreadyStarted, or with the conflict policy USE_EXISTING the first one.
//   - A start delay becomes the earliest start. A cron schedule and the policies that terminate a running workflow are refused.
//
// What is not admitted: child workflows, schedules, SignalWithStart and UpdateWithStart, and starts without a workspace. They go to
// Temporal as ever, no limit counts them, and the metric sluice_not_admitted does, by the label call. A workflow that waits in the
// queue is in none of Temporal's lists.
//
// The pool's role must be able to read the views of schema sluice, to enqueue, and to cancel. While the database does not answer,
// starts and calls that name a workflow are Unavailable, and the client tries again.
//
// The client serves the application and its workers. Sluice's own host (worker/host) needs another one, and refuses this.
//
// It must not know limits or dispatchers. It owns nothing: what the calls mean is in internal/admitted.
package admit
