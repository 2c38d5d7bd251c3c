package catalog

// Change is a new value for a limit. The zero value leaves it as it is; To nil takes it away.
type Change[T any] struct {
	Set bool
	To  *T
}

// Limits are the changes of a workspace's limits or of a tier's, which has no cohort, no hosts and no
// key.
type Limits struct {
	MaxConcurrentWorkflows Change[int]
	Weight                 Change[int]
	NominalQuota           Change[int]
	BorrowingLimit         Change[int]
	LendingLimit           Change[int]
	StartsPerSecond        Change[float64]
	Burst                  Change[int]
	Cohort                 Change[string]
	AllowedHosts           Change[[]string]
	ExternalKey            Change[string]
}

// tierLimits are the parameters for what a tier has too, in the order of arguments.
var tierLimits = []string{"set_max", "max", "set_weight", "weight", "set_nominal", "nominal", "set_borrowing", "borrowing",
	"set_lending", "lending", "set_rate", "rate", "set_burst", "burst"}

func (l Limits) arguments() []any {
	return []any{
		l.MaxConcurrentWorkflows.Set, l.MaxConcurrentWorkflows.To, l.Weight.Set, l.Weight.To, l.NominalQuota.Set, l.NominalQuota.To,
		l.BorrowingLimit.Set, l.BorrowingLimit.To, l.LendingLimit.Set, l.LendingLimit.To, l.StartsPerSecond.Set, l.StartsPerSecond.To, l.Burst.Set, l.Burst.To,
	}
}
