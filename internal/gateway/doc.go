// Package gateway is a server that any Temporal client points at instead of the frontend, in whatever language: starts in the name of
// a workspace go through the queue, and everything else goes to the frontend. What the calls mean is in package admitted.
//
// It owns the connections: its own address, and one to the frontend. It forwards each message as the bytes that it is, so that clients
// and servers which are newer than it meet as if it were not there; only calls that are about workflows by name are read. Metadata,
// deadlines, status details and trailers pass both ways.
//
// It must not act with rights of its own: a caller's metadata is all that the frontend gets, never an API key of the worker's own. Where
// the worker has one, a call that is answered from the queue is first tried at the frontend with the caller's own metadata.
//
// Invariants:
//   - an address that others can reach is only served with TLS and callers that authenticate themselves;
//   - where the connection to the frontend is itself authenticated, by a client certificate, callers show certificates too.
//
// The workspace of a start is what the metadata sluice-workspace says, else its fairness key. Streams, such as gRPC's reflection, and
// services that are not Temporal's public ones are not served. All callers share one connection to the frontend: a balancer
// before that which limits the calls of a connection limits them all together.
package gateway
