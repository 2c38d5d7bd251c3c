// Package api is the HTTP API: what applications and operators in any language ask of Sluice, at /api/v1/.
//
// It owns the routes, the form of requests and answers, and how an error becomes a problem (RFC 9457). The document of all of it, OpenAPI 3.1
// at /api/openapi.json, is made of the Go types here, so it cannot differ from what is done. It must not know SQL, nor how anything is done:
// queue, admin, operate and overview do it, as they do for the command line, and who asks is package access's to say.
//
// # Routes
//
// Routes are in items.go, bulk.go, enqueue.go, workspaces.go, controls.go, tiers.go, definitions.go, status.go and simulate.go. Each is
// registered with what a caller must be allowed (route): a token of a workspace reaches those that are about a workspace, and there it is as
// if others did not exist.
//
// # Requests
//
// serve.go is before all routes: it refuses other origins, finds out who asks, bounds how much is read, how long it takes and how many are under
// way, and answers with a problem where there is no route.
//
// Invariants:
//   - a caller of one workspace sees and changes nothing of another: what is another's is answered as what there is not;
//   - every answer of 400 and more is a problem, and one of 500 and more tells nothing of the inside;
//   - what changes something names the caller in the activity log;
//   - inputs and results are in no answer to a caller who may not see them.
package api
