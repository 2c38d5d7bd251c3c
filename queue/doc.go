// Package queue is what an application imports to put work into the queue and to learn what becomes of it.
//
//	q := queue.New(pool, queue.WithClientOptions(options))
//	answer, err := q.EnqueueWorkflowTx(ctx, tx, queue.Item{WorkspaceID: ws}, client.StartWorkflowOptions{TaskQueue: "invoices"}, SendInvoice, order)
//
// An item is a workflow of a type of one's own, given as to ExecuteWorkflow of the SDK's client and run by one's own workers, or a
// definition with its input:
//
//	answer, err := q.EnqueueTx(ctx, tx, queue.Item{WorkspaceID: ws, DefinitionID: def, Input: input})
//
// It owns the ways in: single items, items in bulk, and items beside the application's own data in one transaction. An item is
// a row of the application's database: when its transaction commits it will start once, or end FAILED, CANCELLED or EXPIRED
// with a reason; when it is rolled back it never was. The package also reads items, waits for their end, and ends those that
// are still pending.
//
// It must not know limits or dispatchers: which item starts when is decided elsewhere. It never calls Temporal; of its SDK it uses
// the client's own way to encode a start. It has no state that counts: a Client can be thrown away at any time, and what one does
// holds for all.
//
// The states of an item, as [State] has them:
//
//	PENDING ─► CLAIMED ─► DISPATCHED (RUNNING) ─► DISPATCHED (COMPLETED, FAILED, CANCELLED, TERMINATED, TIMED_OUT)
//	   │          └─► FAILED: it could not be started
//	   └─► CANCELLED, EXPIRED, FAILED: it ended without an execution
//
// Invariants:
//   - an enqueue takes no lock that another enqueue or a dispatcher waits for, so EnqueueTx may sit in a long transaction;
//     two enqueues of one unique key are the exception: the second waits until it is known whether the first came to be;
//   - calls of EnqueueMany are all or nothing;
//   - a definition only ever runs for the workspace that owns it;
//   - a workflow is started with the type, payloads and headers that were enqueued, whatever encoded them.
//
// Single enqueues of many goroutines share statements and commits. Those of a pool that prepares its connections for each
// caller (PrepareConn, BeforeAcquire), to take on a role for example, do not.
package queue
