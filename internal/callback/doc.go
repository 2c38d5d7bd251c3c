// Package callback has Temporal tell that a workflow has ended, by completion callbacks: when the last run of a chain has closed,
// however it did, the server calls a URL that came with the start. It takes tens of milliseconds, works for workers in any language, and
// leaves no event in the history.
//
// An [Endpoint] is both sides. [Endpoint.Of] makes the callback of a start: the id of the item, and a signature of it as headers.
// [Endpoint.ServeHTTP] takes the call. All workers of an installation share the key, which is in the database, so that any of them may be
// called for what another has started.
//
// A call is a hint, and no more: its body is thrown away, and what is recorded is what Temporal answers about the workflow. The signature
// keeps strangers from having workflows looked at for nothing; it is no secret to those who may read the namespace, because it stands
// in the first event of the workflow.
//
// Invariants:
//
//   - whatever is called, and however often, nothing is recorded that is not so;
//   - a call with a valid signature is answered with 200, also when it could not be looked at: recovery finds what it was about.
//     Answers of 5xx would have the server hold back the calls of all workflows;
//   - a server that does not allow the address costs no item its start: [Endpoint.Suspend] leaves callbacks out for a while.
//
// The package must not know who starts workflows, nor how an end is recorded.
package callback
