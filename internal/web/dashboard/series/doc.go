// Package series samples the state of an installation and keeps that of the last quarter of an hour, for all who watch it at once.
//
// It owns when the database and the dispatchers are asked, and remembers what they have answered. [Watch.Look] returns the last
// [Snapshot], and takes a new one where that is 2 s old: so there is one sampler however many look, and nothing is asked while nobody
// does. A sample that took long is followed by a rest of 40 times as long: they take a fortieth of one connection's time at most.
//
// What happened while nobody looked is read from what is on record when somebody does: starts, ends and waits exactly, backlog and slots
// worked out from them. Why workspaces waited and how long the oldest item did is not on record, so these have gaps.
//
// The dashboard's pages and starter top are made of it. It must not know HTTP, nor how figures are shown.
package series
