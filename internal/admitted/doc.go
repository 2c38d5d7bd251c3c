// Package admitted answers a Temporal client for workflows that wait in the queue. It stands between a client and the server, in
// the client's process (package admit) or in a gateway (package gateway), and looks at each call:
//
//   - a start in the name of a workspace is enqueued; its run id is the id of the item, and stays so;
//   - a call that names a workflow which waits in the queue, by that run id or by its workflow id, is answered from the queue;
//   - a call that names the run of an item which has been started goes to Temporal with the run's real id;
//   - everything else goes to Temporal as it is.
//
// It owns what such a call means while there is no workflow yet. It must not know connections, nor when an item starts.
//
// Invariants:
//   - a start that was answered without an error is committed, and repeated with the same request id it is the same item, or its replay;
//   - a wait for a result ends with that of the item or workflow that it began with, also if another one has the workflow id by then;
//   - two items with one workflow id never wait or run at once in a workspace;
//   - errors are gRPC statuses: Unavailable where another try may help, and a code that clients do not retry where it cannot.
package admitted
