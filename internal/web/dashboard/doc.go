// Package dashboard is the pages on which operators see what Sluice does and change it, served by the worker.
//
// It owns the routes, who may use them, and what a form does: each action is an operation of package queue, admin or internal/operate, and on
// record with who did it. How a page looks is package page's, what the overview and the list of workspaces show is package series', and
// what is done to many items goes on in package bulk. It must not know SQL, and decides nothing that the command line decides otherwise.
//
// Invariants:
//   - every state of a page has an address: filters, order and place are in the query;
//   - nothing is loaded from elsewhere, and no page runs a script or has a style that is not a file of package assets;
//   - a change is a POST of a form of these pages; one of another origin is refused, and so is a request by another name than this
//     machine's (DNS rebinding): package access owns these checks;
//   - what is asked for a page is bounded, and cheap however much there is; nothing is asked while nobody looks.
//
// Without tokens it answers only to this machine, see allowed.
package dashboard
