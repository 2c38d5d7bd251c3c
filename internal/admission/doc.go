// Package admission is the policy: which workspace may start how many executions next, and why the others wait.
//
// It is pure: it must not know a clock, SQL or Temporal, and imports nothing but uuid. Everything it decides on is in
// its arguments, so that a property test and a simulation (package simulate) can drive it.
//
// Quota. A workspace holds at most its ceiling. Its nominal quota is its guaranteed share. Above that it borrows what
// the members of its cohort, or without a cohort all others, leave idle, up to its borrowing limit. A cohort holds at
// most the sum of its members' nominal quotas, and all workspaces together at most the global limit. Nothing is killed:
// what a lender needs again it gets as executions finish, because starts within a nominal quota go before borrowed ones.
//
// Order. Each start costs a workspace 1/weight of virtual time; the clock shows how far an ideal schedule would have
// come that divides each start among all workspaces that want one. Of those whose next start is due to begin, the one goes
// first whose next start is due to end first: earliest eligible virtual deadline first (Stoica and Abdel-Wahab, 1995). Serving
// the lowest virtual time, as start-time fair queueing does, was tried: an endless stream of newcomers then kept those
// with one start behind them waiting (Jain's index 0.34 instead of 0.996 in the same simulation of an overloaded fleet
// with 20,000 workspaces that come and go), and a heavy workspace lagged behind many light ones.
//
// A cohort stands among the workspaces outside of it as one of them, with the sum of its members' weights, and its
// members stand in a line within it. Own and borrowed starts are two such lines, because one always goes before the
// other: in a single one, those that borrow would fall behind for ever. Tags and clocks are the caller's to keep;
// Charge moves them on by what has really been claimed. See Due for the order within a workspace.
//
// Cost. A decision runs over all workspaces, but looks closely only at those that have changed since the one before it
// (Decider). Workspaces without room are only counted, and of those that are due as many are put in order as can be served.
//
// Rate. Beside what a workspace may hold, a token bucket may limit how often it starts.
//
// Invariants:
//   - no limit is exceeded, at any level: ceiling, borrowing limit, rate, cohort, global, batch, ready items;
//   - work-conserving: while the batch has room, nothing that could be granted stays ungranted;
//   - a workspace that could take a start within its nominal quota goes before all that would borrow the same slot;
//   - while a fixed set of workspaces can take every start, none lacks more than one of what the ideal schedule gives it
//     (within a cohort, two), whatever the weights and backlogs;
//   - bounded bypass: while a workspace that could take a start waits for one, another in its line of k times its weight
//     gets at most 2k+2;
//   - a workspace that could not take a start gathers no credit for that time but one start;
//   - the order of the argument does not matter.
package admission
