package bounds

import "math"

// What numbers may be.
const (
	MaxCount = math.MaxInt32 // slots, starts at once; sums of them are made with 64 bits
	MaxShare = 1000          // a weight
	MinRate  = 1e-6          // starts per second: one in eleven days
	MaxRate  = 1e6           // more than anything can start

	MaxDefinitions = 1000 // of a workspace: lists, and workers that host it, read all of them
	KeptVersions   = 100  // of a definition, beside those that executions still run
)
