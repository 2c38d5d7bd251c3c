// Package overview puts the state of the system together for people: the dispatchers and the workspaces in one answer, why items wait, the
// story of an item. The command line and the HTTP API answer with the same types.
//
// It owns how what Postgres knows and what the dispatchers say is put together. It must not know who asks or how the answer is shown, and it
// changes nothing.
//
// Invariants:
//   - what Postgres knows is in the answer whether Temporal answers or not;
//   - a list is never null.
package overview
