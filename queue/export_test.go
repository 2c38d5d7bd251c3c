package queue

// The plans of these are tested.
const (
	ClaimSQL    = claimSQL
	CapacitySQL = capacitySQL
)
