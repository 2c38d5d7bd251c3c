package metric

var levels []Metric

// Levels lists the gauges that each worker reads from Postgres: they are of all shards, and the same at each.
func Levels() []Metric { return append([]Metric{}, levels...) }

func level(name, help string, labels ...string) Metric {
	m := Metric{Name: "sluice_" + name, Type: Gauge, Labels: labels, Help: help}
	levels = append(levels, m)
	return m
}

// How everything is.
var (
	ItemsPending       = level("items_pending", "Items that wait, those that are scheduled among them.", "plan")
	OldestWait         = level("oldest_wait_seconds", "For how long the oldest ready item has waited.", "plan")
	SlotsHeld          = level("slots_held", "Slots that are held. Divided by sluice_slots_limit it is the utilisation.", "plan")
	SlotsLimit         = level("slots_limit", "What the workspaces of the plan may hold, each by itself, added up.", "plan")
	SlotsGlobalLimit   = level("slots_global_limit", "What all workspaces together may hold; missing where that is not limited.")
	Workspaces         = level("workspaces", "Workspaces.", "plan")
	WorkspacesUnserved = level("workspaces_unserved", "Workspaces with executions that no worker carries on.")
	StartsUnanswered   = level("starts_unanswered", "Claims whose start has got no usable answer.")
	Pauses             = level("pauses", "Pauses that hold, of all, of a workspace, type or definition; those of the dispatchers themselves are not among them.", "of")
	WorkspaceOldest    = level("workspace_oldest_wait_seconds", "For how long the oldest ready item of a workspace has waited, of the 10 that have waited longest.", "workspace")
	WorkspacePending   = level("workspace_items_pending", "Items that wait of the same 10 workspaces.", "workspace")
)
