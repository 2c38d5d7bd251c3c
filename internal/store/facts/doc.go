// Package facts reads: what people and tools look up and list, what an audit checks, what a worker needs in order to know
// which task queues to host. Each function is one statement, or a few, on a pool, a connection or a transaction.
//
// It owns the statements that only read and that no transition needs. It must not write, and must not know Temporal. Why
// items wait it asks package admission, on the same input that a dispatcher would give it; what the dispatcher remembers
// it does not know.
//
// Invariants:
//   - nothing here takes a lock that a transition could wait for; AuditLock is an advisory one that only audits take;
//   - what it costs to look an item up, to list the newest, or to tell why one waits does not grow with the backlog, nor with
//     what has ended (excepted: a listing by a status that is rare, and of one workspace, which reads the index of its backlog);
//   - a statement that looks for ids in sluice.ended says after which moment, so that only partitions since then are read;
//   - what may be many (places in line, ready items) is counted up to a number that the caller gives.
//
// What counts everything there is says so: Workspaces, and the checks without a time.
package facts
