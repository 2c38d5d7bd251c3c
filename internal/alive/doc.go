// Package alive ends connections on which a server answers no longer. After a failover or behind a firewall that has forgotten
// it, a connection can stay open for many minutes although nothing that is sent on it arrives: TCP tells only when it is closed.
//
// It owns the check and the decision, for Postgres and for Temporal. A server that is slow is not lost, so silence alone proves
// nothing: Postgres is asked on another connection what it does for the silent one, Temporal is sent a call that it answers at
// once. It must not know what is sent on the connections. A wait on a lost connection ends with an error, and its caller tries again.
//
// Invariants:
//   - a wait for an answer on a lost connection ends within some five seconds, or eight where Temporal answers late;
//   - a statement that Postgres works on is never ended, however long it lasts;
//   - what a lost session held in Postgres, a lock or a transaction, is released as soon as the loss is noticed.
package alive
