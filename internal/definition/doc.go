// Package definition is a workflow definition as a file, a row and a workflow see it: a graph of nodes.
//
// It owns the format, its defaults and its validation, and nothing that happens: it must not know SQL, Temporal or a
// clock, and imports only the standard library and uuid.
//
//	{"name": "…", "timeout": "1h",
//	 "nodes": [{"id": "<uuid>", "name": "…", "type": "noop|delay|http|workflow", "config": {…}, "needs": ["<uuid>"]}]}
//
// Invariants of a parsed Definition: node ids are unique, every need names a node, the needs have no cycle, and each
// config decodes for its type. Parse is the border for people (all problems at once, with remedies); a version read
// back from the database passes through it again, because anybody may have written that row.
package definition
