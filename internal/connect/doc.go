// Package connect opens the two servers that Sluice stands on: patiently, because servers start in any order, and
// clearly, because a wrong address is the first thing that goes wrong.
//
// It owns the retries, the notices while waiting, and the words of the error that ends the wait: which server, at which
// address, why, and what to set. It must not know where the addresses come from (each main reads its own flags and
// environment) nor what is done with the connection.
//
// Invariants:
//   - what waiting cannot mend fails at once: a malformed URL, a refused password or key, a missing database or
//     namespace, TLS that does not match;
//   - everything else is retried until Wait.Patience is over;
//   - every failure is an *Error, except that the caller's own context ended;
//   - no password or key appears in a notice or an error.
package connect
