// Package gather lets calls that come at the same time share one statement.
//
// A call that finds room runs a statement of its own and waits for no other. While as many statements are under way as there
// is room for, further calls gather; when one ends, a shared statement takes those that have waited longest, up to 256 of
// them or 4 MB. A single caller therefore pays nothing for it, and many callers share commits.
//
// It knows nothing of SQL: what a call asks for, what answers one of them and what answers many are given by its user.
//
// Invariants:
//   - at most Room statements are under way, and at most one of them is shared; calls that go on alone after all are not counted;
//   - calls are answered in the order in which they came, but for those that have a statement of their own;
//   - a call that gives up returns at once and does no harm to those it shares a statement with; a statement ends early when
//     no caller waits for it any more;
//   - a statement that hangs holds up later calls for at most twice the Patience: they then run statements of their own;
//   - when no call is under way, nothing runs: a Gatherer needs no closing.
package gather
