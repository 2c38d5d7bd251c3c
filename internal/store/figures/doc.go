// Package figures counts: what waits, runs and has ended lately, by workspace, plan, kind and error, for those who watch a whole
// installation. The dashboard's pages are made of it.
//
// It owns statements that only read. It must not know how often they are asked, how their answers are shown, or why an item waits,
// which package facts tells.
//
// Invariants:
//   - what has ended is read from the end of an index, up to a number, or for a time that the caller gives; what has ended since the
//     last look is found by the events of its outcomes, so its cost grows with that alone;
//   - Usage counts the pending items in the index of lines, so its cost grows with their number; all else does not grow with the backlog;
//   - nothing here takes a lock that a transition could wait for.
package figures
