// Package simulate plays a trace of executions against the policy: what would have waited, how long and why, with other
// limits? It drives the same admission.Decide as the dispatcher does, in virtual time.
//
// It is pure and deterministic: the same trace and configuration give the same report. It must not know a clock, SQL or
// Temporal.
//
// What it leaves out: starts that fail, the time that Temporal and workers take (an execution runs for as long as the
// trace says from the moment it is started), pauses, and changes of limits on the way.
//
// Fairness. A decision is contended when afterwards a workspace still waits for a slot that it could take if it were the
// only one. From the first contended decision until one that is not, the ideal fluid schedule (generalised processor
// sharing) runs beside the policy: the starts of each decision are divided by weight among all workspaces that have something
// left in that schedule, and none gets more than its own limits allow. A workspace's lag is what the policy has started
// less than the fluid schedule; its share is the one over the other. The fluid schedule knows neither nominal quotas
// nor cohorts, so with these there is no figure for fairness.
//
// Fairness of slot time is reported beside that, whichever of the two the policy counts: while it is contended, at each moment the slots in
// use are divided by weight among all that hold some or wait. That ideal has no memory, so its lag says something only where the
// same workspaces always have work.
package simulate
