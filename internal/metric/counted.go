package metric

// counted are what a process counts, or sees, itself.
var counted []Metric

// Counted lists the metrics that a process counts or sees itself: those of several workers add up.
func Counted() []Metric { return append([]Metric{}, counted...) }

func count(name string, t Type, help string, labels ...string) Metric {
	m := Metric{Name: "sluice_" + name, Type: t, Labels: labels, Help: help}
	counted = append(counted, m)
	return m
}

// What the dispatcher does.
var (
	Claimed = count("executions_claimed", Counter, "Items that were claimed.")
	Wait    = count("wait_seconds", Histogram, "How long what was claimed had waited since it was available, by what kept its workspace's items in the cycle before: "+
		"a wait reason, none for what the first cycle took, unknown for what waited already when the process took the shard over.", "plan", "reason")
	WorkspacesWaiting = count("workspaces_waiting", Gauge, "Workspaces with items that wait, at present, by wait reason, in the process that runs the shard's dispatcher; "+
		"in one that no longer does, 0 within 30 s.", "shard", "plan", "reason")
	WorkspacesWaitingSeconds = count("workspaces_waiting_seconds", Counter, "For how long workspaces with items have waited, added up, by wait reason. Its rate is how many wait on average.",
		"plan", "reason")
	Started      = count("executions_started", Counter, "Starts that have succeeded.")
	StartsFailed = count("starts_failed", Counter, "Starts that have failed, by failure reason.", "reason")
)

// How executions end, and how that is learnt.
var (
	Ended = count("executions_ended", Counter, "Ends, and how they were learnt: from the execution of a definition itself; of another workflow from a worker of this process, "+
		"by a callback, or by recovery.", "status", "by")
	Callbacks = count("callbacks", Counter, "Calls of Temporal: taken, failed (could not be looked at; recovery finds what they said), refused (not signed), "+
		"unread (Postgres was away).", "result")
	Repaired = count("executions_repaired", Counter, "What Recovery has mended: no-outcome, superseded, reopened, refused-but-open, cancel-overdue.", "reason")
	Unserved = count("executions_unserved", Gauge, "Executions that no worker carries on, at present: their workflow task, or that of a child, is not taken or fails.")
)

// What the calls of http nodes have of a process' places.
var (
	HTTPCallPlaces   = count("http_call_places", Gauge, "Places that calls of http nodes take at present, one for each 64 KiB of a body that are begun: those that are made (calling), and those that wait.", "state")
	HTTPCallsPutBack = count("http_calls_put_back", Counter, "Calls of http nodes that were put back before they were made, to come again later: no-place (the workspace "+
		"has its part of the places already), unreachable (Postgres or Temporal), worker-stopping.", "reason")
)

// NotAdmitted counts what package admit and the gateway let pass.
var NotAdmitted = count("not_admitted", Counter, "Starts of workflows that went past the queue, at a gateway or in a client with package admit.", "call")

// What the one worker finds that audits.
var (
	AuditViolations = count("audit_violations", Gauge, "What the last audit found, 0 when all is well. Alert on max(...) > 0.", "invariant")
	AuditUnchecked  = count("audit_unchecked", Gauge, "1 where the last audit could not check all, as when Temporal was away.", "invariant")
	AuditCompleted  = count("audit_completed_timestamp_seconds", Gauge, "When the last audit completed. Alert when time() - max(...) exceeds three intervals.")
	AuditDuration   = count("audit_duration_seconds", Gauge, "How long the last audit took.")
)
