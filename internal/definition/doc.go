// Package definition is a workflow definition as a file, a row and a workflow see it: a graph of nodes.
//
// It owns the format, its defaults and its validation, and nothing that happens: it must not know SQL, Temporal or a
// clock, and imports only the standard library, uuid and internal/bounds.
//
//	{"name": "…", "timeout": "1h",
//	 "nodes": [{"name": "…", "type": "noop|delay|http|workflow", "config": {…}, "needs": ["…"]}]}
//
// A node may also have an "id", a UUID. Without one it gets an id that is made of its name and of the definition's, and then
// no other node may have its name. A need is the id or the name of a node. A file keeps names as they are written; what is
// parsed from it has ids only, and so has what an execution gets.
//
// Invariants of a parsed Definition: node ids are unique, every need is the id of a node, the needs have no cycle, and each
// config decodes for its type. Parse is the border for people (all problems at once, with remedies); a version read
// back from the database passes through it again, because the row may not have been written by this package.
package definition
