// Package cluster is a whole Sluice on this machine, made to be broken: PostgreSQL and a Temporal dev server on disk, and
// real worker processes, each behind proxies of its own.
//
// It owns the processes, their ports, their logs and the ways to hurt them:
//
//	Server   PostgreSQL or Temporal: killed or stopped, and started again on the same data and port
//	Worker   a worker process: killed, told to stop, frozen, thawed, started again
//	Proxy    a worker's way to one server, or Temporal's to a worker: cut, stalled, answered in its place, healed
//
// It must not know what is run on it: no load, no plan of faults, no judgement.
//
// Invariants:
//
//  1. No process is left behind: Close ends all by pid, and on Linux the kernel ends them when this process dies.
//  2. A server comes back at the address and with the data it had.
//  3. A worker reaches the servers through its proxies only, and Temporal reaches a worker through one. The caller's own clients, and a
//     worker of another namespace, connect to the servers directly.
package cluster
