package bounds

import "math"

// What numbers may be.
const (
	MaxCount = math.MaxInt32 // slots, starts at once; sums of them are made with 64 bits
	MaxShare = 1000          // a weight
	MinRate  = 1e-6          // starts per second: one in eleven days
	MaxRate  = 1e6           // more than anything can start
)
