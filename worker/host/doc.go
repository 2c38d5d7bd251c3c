// Package host runs everything of Sluice that polls Temporal, in one process: the dispatcher with its activities, the
// activities that call the outside world, and the executions of every workspace that has work. Import it to add
// workflows and activities of your own:
//
//	h, err := host.New(host.Config{
//		Client: temporal, Pool: pool,
//		RegisterWorkflows: func(r worker.WorkflowRegistry) { r.RegisterWorkflow(SendInvoice) },
//	})
//	err = h.Run(ctx)
//
// # What it owns
//
// The SDK workers and nothing else:
//
//	workflows.default          one worker: dispatcher, recovery, their activities
//	activities.external-api    one worker: http nodes, with a concurrency and rate limits of its own
//	workflow.workspace.<uuid>  one worker for each workspace that holds slots, as many at once as the poll budget allows
//
// # What it must not know
//
// What the dispatcher decides, SQL, and what an execution does. It asks the queue which workspaces have work: those that hold
// slots. It is told by the dispatch activity when one is about to (EnsureWorkspace); losing that hint costs one PollInterval.
//
// # Which types it can run
//
// Each host tells the others through the database which workflow and activity types it has (record.go). A workspace whose
// definitions name types that this one lacks is left to a host that has all of these that this one has, and more; where there is none,
// it is hosted here too, so that one missing type holds up nothing else. A workflow item on its workspace's task queue is work only for
// hosts that have its type, and one on another task queue for no host: its worker may be in any language.
//
// # Why on demand, and why a budget
//
// A Temporal frontend refuses more than frontend.namespaceCount (1,200) concurrent long polls of a namespace, and
// beyond it every task queue starves, silently. A worker polls at least twice. So one worker for each workspace ends
// at about 600 workspaces, while starting one when it is needed costs 8 ms at the median. Processes that share a
// namespace share its frontends' limits too: divide the budget among them.
//
// # Life cycle of a workspace worker
//
//	            has work            place free               started
//	(nothing) ───────────► waiting ───────────► starting ────────────► running
//	    ▲                   ▲   ▲                  │                      │  idle for IdleTimeout;
//	    │          no work  │   └── failed, after ─┘                      │  idle, and others wait;
//	    └───────────────────┤       a pause                               │  its turn is over, and others wait;
//	                        │                                             ▼  fatal error
//	                        └────────── has work, or nothing ───────── stopping ─ polls no more ─► draining
//
// What drains has given its place away and finishes its tasks in hand, whatever time they take (drain.go).
//
// # Invariants
//
//  1. Workers that are starting, running and stopping never exceed the limit that the poll budget allows.
//  2. With n workspaces at work and room for l, each is hosted again after at most ceil(n/l) turns.
//  3. No task in hand is cut off because a turn ends. A workspace with work loses its worker only when another one waits for the place,
//     and its turn is over or another process hosts it too. A stop can lose a task that is just being handed over, which then comes
//     again after the workflow task timeout (5 s), so what is idle goes first, and with Polls a worker takes no more tasks before it
//     stops (polls.go).
//  4. A workspace whose worker cannot be started delays no other.
//  5. When Run returns, the workers are stopped, or ErrDrain says that ShutdownTimeout was too short.
//
// turns.go decides, purely; workspaces.go acts on it in one goroutine that never waits for the network.
package host
