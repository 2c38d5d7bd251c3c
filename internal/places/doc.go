// Package places shares a process' places for calls among workspaces, none of which it knows beforehand.
//
// A call of an http node has a place until it is answered, which may take an hour. So it is not enough to serve workspaces in turn: one
// whose servers do not answer would hold every place in the end. A workspace may take one more place while it holds less than a quarter
// of how many are free. Alone it has a fifth of all. Of several that want more than they may, each has as many as a quarter of
// what is left, which is for those that hold none. With 500 places it takes more than twenty workspaces whose calls hang to fill them all.
// A call with a large body takes more places, one for each 64 KiB, so places bound memory too.
// Nothing is configured for a workspace, and nothing is set aside for one. (The rule is that of dynamic thresholds, with α = 1/4: Choudhury
// and Hahne, "Dynamic Queue Length Thresholds for Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6(2), 1998.)
//
// What finds no place waits here, as many calls as there are places, shared by the same rule. A call that may not wait either is
// refused at once. It must be tried again later, and takes no room until then.
//
// # Invariants
//
//  1. No more places are taken than there are, and no more calls wait.
//  2. No call waits that may take a place.
//  3. A workspace that holds no place finds those for one call at once, unless fewer are free.
//
// It must not know what the calls do, nor Temporal.
package places
