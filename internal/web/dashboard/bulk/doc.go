// Package bulk does something to many items for longer than a request lasts: it goes on in this process, tells how far it has come, and can
// be stopped.
//
// It owns what goes on and what has gone on lately, in memory. How items are changed is package admin's and internal/operate's. It must not
// know who may ask for it, nor how it is shown.
//
// Invariants:
//   - one that is stopped, or that ends with the process, has changed whole batches; the same again goes on from there;
//   - at most Most go on at once, and what is remembered is bounded;
//   - Close returns when none goes on.
package bulk
