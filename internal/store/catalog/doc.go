// Package catalog is the SQL of what is set up: workspaces and their plans, tiers, settings, definitions, and how many shards
// share the workspaces. It also puts FAILED items back into the queue, and writes the activity log.
//
// Each statement is a file of sql/. A function runs one statement and knows only what it asks and answers; those that fill
// rows into a struct of the caller's do so by the names of its fields, so that a public package can have its own. Values come
// checked: what a workspace may be told, and how an operator is told what is wrong, belongs to package admin.
//
// Invariants:
//   - a change takes effect when its transaction commits: triggers of the schema then take turns of the journal, wait for a
//     claim that is under way, and write down who changed which limit (ActAs says who);
//   - a version of a definition never changes, and versions of one definition are numbered from 1 on without a gap; the oldest may be gone;
//   - a run that has been noted as retired stays so.
//
// A function that takes a pgx.Tx is a step of a transaction: it returns errors as they are, for its caller to wrap once for
// the whole of it, the commit included. All others wrap theirs.
//
// It must not know admission, Temporal, or how limits are judged.
package catalog
