// Package estimate says when pending items will start: for each an interval that should hold nine times out of ten.
//
// It simulates the policy (package admission) from a snapshot on, Runs times, and draws what is not known: how long executions
// take, from those that have ended recently; what else arrives, at recent rates. Of the Runs times at which an item starts the second
// and the last but one bound its interval: one more draw of the same kind lies between these two in (Runs-3+1)/(Runs+1) = 90 % of all cases.
// How wrong the recent executions may be about the next ones is drawn too: each run scales the durations of a workspace by its own factor,
// as far off as the mean of so few executions may be.
//
// It is pure and deterministic: the same snapshot gives the same curves. It must not know a clock, SQL or Temporal.
//
// Curves. A workspace starts its items in the order in which they are due (admission.Due), so one curve, due time against start time,
// gives it for all its items. It has points at the places 1, 2, 3, 4, 6, 8, 12 and so on of the line, at its end, and for items that
// would arrive within the next minute; a reader interpolates.
//
// Parts. Where workspaces share no limit, each is played by itself. A limit of all workspaces together is shared by all; a cohort's by
// its members; and if more could start than the dispatcher has been seen to start, that is shared by all as well.
//
// Bounds. A simulation is bounded in steps (Most), divided among the parts. What lies beyond is extrapolated up to four times as far into
// the line, and not estimated behind that.
//
// What it leaves out: items that are scheduled for later, limits and pauses that change, differences between types of one workspace, and
// times of day. When a workspace begins to behave differently, estimates show that once a few of its executions have ended.
package estimate
