// Package fleet is the record of the worker processes that host workspaces: each tells which types it has and which workspaces
// it hosts, and learns which need a worker and which it had better leave to others.
//
// It owns the table sluice.workers and the question what a workspace needs: the workflow types that its current definitions, and
// those that run, name without a task queue. It does not know Temporal, and does not decide who is hosted: package worker/host does.
//
// Invariants:
//   - all times are the database's, so clocks of workers do not matter;
//   - each workspace has a live worker that may host it: a worker leaves a workspace only to one that has more of the workspace's types,
//     and all that it has itself;
//   - what waits in the queue costs nothing: only what holds slots is read.
package fleet
