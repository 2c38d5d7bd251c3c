// Package fleet is the record of the worker processes that host workspaces: each tells which types it has and which workspaces
// it hosts, and learns which need a worker and which it had better leave to others.
//
// It owns the table sluice.workers and the question what a workspace needs: the workflow types that its current definitions, and
// those that run, name without a task queue. It does not know Temporal, and does not decide who is hosted: package worker/host does.
//
// Invariants:
//   - all times are the database's, so clocks of workers do not matter;
//   - of the workers that are live at least one leaves no workspace: one leaves a workspace only to another that has all of its
//     types that the first one has, and more;
//   - what waits in the queue costs nothing: only what holds slots is read.
package fleet
