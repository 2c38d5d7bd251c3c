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
// come that divides each start among all workspaces that want one (generalised processor sharing: Parekh and Gallager, 1993).
// Of the workspaces whose next start is due to begin, the one goes first whose next start is due to end first: earliest eligible
// virtual deadline first (Stoica and Abdel-Wahab, 1995; WF2Q: Bennett and Zhang, 1996). Serving the lowest virtual time, as start-time
// fair queueing does, was tried: an endless stream of newcomers then kept those with one start behind them waiting (Jain's index
// 0.34 instead of 0.996 in the same simulation of an overloaded fleet with 20,000 workspaces that come and go), and a heavy
// workspace lagged behind many light ones.
//
// Coming and going. The clock is that of the ideal schedule, so its speed depends on the weights in that schedule. A workspace that has
// got a start and wants no other keeps its weight there until the clock has reached its tag (Ahead), as with Linux' delayed dequeue. A
// workspace that comes begins at the clock, without credit, or at most one start ahead of it if its tag comes from another clock. That
// place is written down once (Places): to place it anew in each decision would move it on with the clock for ever.
//
// Slot time. What is shared is the time for which slots are held, where that is counted (Input.CountsSlotTime), or else starts. A start is
// charged what it is expected to take, and the charge is corrected when it ends (package slots); tags hold what is charged. The clocks run as
// slots are really used, whatever was expected, so that a wrong expectation moves no other workspace. A workspace that comes begins at the
// clock. One that waits is due once its tag is at most the clock plus what is paid for and not used up, divided by all weights (multi-server
// fair queueing: Blanquer and Özden, 2001). One that holds all it may, while its share by weight would be as much or more, is left out of the
// clock, and neither gains nor loses (Full). What a workspace is owed is bounded: by the longest recent execution for each slot that is its
// share of those in use, and once more. What it is charged in advance is bounded too: by one such execution beyond what its slots are still
// charged for. The rest is forgiven, so no workspace pays for ever for one long execution. When a dispatcher
// begins, it reads from the record which workspaces are ahead, and what those are owed that it knows from before to have waited (Recall).
//
// Two simpler rules were rejected. To choose by the slots held now divided by the weight, without a memory, would do where there are more
// slots than workspaces, but cannot divide one slot ten to one. Usage that decays, as in Slurm and Kueue, gives everything to a workspace that
// had no work for long, until it has caught up.
//
// Cohorts. A cohort counts among the workspaces outside of it as one of them, with the sum of its members' weights, and its members are
// ordered within it. Own and borrowed starts are ordered apart, because own ones always go before borrowed ones: in a single order, those that
// borrow would fall behind for ever. The caller keeps tags and clocks; Charge moves them on by what has really been claimed. See Due for the
// order within a workspace.
//
// Cost. A decision runs over all workspaces, but looks closely only at those that have changed since the one before it (Decider). Workspaces
// without room are only counted, and of those that are due only as many are put in order as can be served.
//
// Rate. Beside what a workspace may hold, a token bucket may limit how often it starts.
//
// Invariants:
//   - no limit is exceeded, at any level: ceiling, borrowing limit, rate, cohort, global, batch, ready items;
//   - work-conserving: while the batch has room, nothing that could be granted stays ungranted;
//   - a workspace that could take a start within its nominal quota goes before all that would borrow the same slot;
//   - while a fixed set of workspaces can take every start, none lacks more than one of what the ideal schedule gives it
//     (within a cohort, two), whatever the weights and backlogs; and outside of cohorts none lacks more than one when others come and go
//     that can take every start, and bring tags of this clock alone;
//   - bounded bypass: while a workspace that could take a start waits for one, another one ordered with it that has k times its weight
//     gets at most 2k+2;
//   - bounded lag, see below;
//   - a workspace that joins, from whichever clock, waits for one round of the others at most and costs them one at most;
//   - a workspace that could not take a start gathers no credit for that time;
//   - the order of the argument does not matter.
//
// Lag is what the ideal schedule, with fractions of slots and a memory without end, has given a workspace more than it has
// held, in slot seconds. With L the longest execution and s the most slots that the schedule gives it at any moment, it is at most
//
//	L × (s + 1)   where slot time is counted: s slots come free one by one, and starts are dealt whole
//	L × (s + 2)   where starts are counted: a workspace that comes with a tag of another clock waits for one turn more
//
// Under a global limit alone, those that always have work also hold slots by their weights, within 5 % and such a lag.
//
// That is no proof: it is what the tests of package simulate find with drawn weights, durations, batches and arrivals, and workspaces
// that come and go with tags of any clock. With slot time they draw a global limit alone, one with ceilings, and cohorts without a global
// limit, whose members lend what is theirs, or have a nominal quota of zero and live on that. With starts they draw a global limit alone, and
// executions of one length. With ceilings one of 6,000 draws exceeded the bound, by a twentieth; there a workspace is judged by what it has
// fallen behind since it last held its ceiling while the schedule gave it as much, because nothing can make good what it lacked before. Not
// tested, and not known to hold: starts with ceilings or cohorts; and cohorts under a global limit, but for one fleet and an hour. It does
// not hold for lenders whose work exceeds their quota: they may borrow nothing, so they cannot catch up on what they have waited for lent
// slots to come free.
package admission
