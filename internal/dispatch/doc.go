// Package dispatch is the engine of a shard: it knows what waits and what is held, plans who may start what, and claims it.
//
// It owns the cache of a shard, the plans made on it, and the claims that are on their way to a start. It must not know
// Temporal, and decides nothing itself: who may start how many is package admission's to say. All SQL is package store's.
//
// # A cycle
//
// One process works as a dispatcher's run at a time. Its steps are calls of an Engine:
//
//	Plan     take in what has happened, let the policy deal a batch, choose the items: no statement while the cache is fresh
//	Claim    one round trip and one commit: take the items, hear what is new, read on where lines have become short
//	Begin    hand over what was claimed to be started
//	Requeue  undo claims whose start has failed
//	Watch    while there is nothing to start, look for what is new; Await does so for longer, and is woken by NOTIFY
//
// # What a claim rests on
//
// A claim counts nothing. Only the dispatcher of a shard adds usage, so the cache can show less room than there is, but never
// more, as long as it knows every change that takes room away. Each such change takes the next turn of the shard's journal
// (sluice.turns): claims of another process, changed limits, plans, owners and definitions, pauses, executions that hold their
// slot again. A claim that was planned on turn N inserts N+1 in its own statement. If that turn is taken, it does nothing,
// and the cache reads why:
//
//	kind of turn                          what the cache does
//	run                                   the caller's run is compared with it: store.ErrFenced. The next Begin reads what the run
//	                                      before has left
//	claim, requeue, handover, owners      forgets everything and loads it again
//	limits                                reads the quotas of that workspace again, or of all
//	definitions                           forgets the versions of that workspace's definitions
//	regained                              reads the slots of that workspace again
//	settings, allotment                   reads the settings of the shard again
//	pauses                                reads what is paused again
//
// A claim whose answer is lost may have committed or not. The cache is loaded again then: it sees the turn, or its next claim
// collides with it.
//
// Changes may come faster than claims follow: a workspace that applies definitions again and again takes one turn after the other. When too many
// were lost, changes are made to wait with their turns for as long as one claim takes.
//
// # What is heard
//
// Events report items that have arrived and slots that were freed. They are read by transaction id, from one snapshot to
// the next, so none that commits late is missed. A freed slot is reported by the id of its execution: to read one twice or late
// changes nothing, because the cache knows the executions that hold a slot, not only how many. Outcomes that this process
// records itself it reports even before that (Engines.Freed). A slow sweep finds what no event has reported.
//
// # What is kept
//
// Of a workspace: its quota and virtual times, the executions that hold its slots, and of each of its lines (one for each
// priority) the first items and the place up to which it was read. Scans go on from there. Whole backlogs are never read: a
// load reads the first item of each line. Tokens of rated workspaces are on record with each claim, virtual times once a
// second.
//
// # Pauses
//
// A workspace that is paused keeps its lines and is granted nothing. Types and definitions are the lanes of a workspace. Items of a
// paused lane are left out when lines are read, so they hold up no others; when a lane is resumed the lines are read anew. A pause
// ends by itself, by the database's clock; a process that does not know it yet claims less for a moment. A line of which only items
// of paused lanes are known is read from its beginning once a minute.
//
// A limit for a time ends without a write, too: the quota says when, and is read again then. A claim has the first of these
// times with it, and does nothing after it.
//
// # Invariants
//
//   - no claim that commits exceeds a limit in force at its commit, whatever other processes do (TestNoLimitIsExceeded…);
//   - a plan that is not claimed leaves no trace;
//   - what is claimed is handed to a dispatch, in this process or the next, until it is known to be started or undone;
//   - a process undoes only claims that no other can have taken up;
//   - no change that comes again and again keeps all claims from being made (TestItemsAreClaimedWhileAWorkspaceAppliesDefinitionsAllTheTime);
//   - no claim that commits after a pause takes what is paused;
//   - with several shards and a global limit, the allotments and what is held above them never exceed it in sum.
package dispatch
