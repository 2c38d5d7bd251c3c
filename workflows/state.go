package workflows

import "time"

// State is the dispatcher's input and all that survives continue-as-new. It stays small (about 1 KB): the backlog and
// the running set are Postgres' to know.
type State struct {
	Shard    int      `json:"shard"` // the workspaces that are this dispatcher's; 0 to one less than there are shards
	Cycle    int64    `json:"cycle"` // grows for ever, across runs
	Pause    *Pause   `json:"pause,omitempty"`
	Tunables Tunables `json:"tunables"`
	Totals   Totals   `json:"totals"`
	// Batch is what a cycle claims at present, while Temporal cannot take Tunables.BatchSize; zero: it can.
	Batch       int            `json:"batch,omitempty"`
	Waiting     map[string]int `json:"waiting,omitempty"`
	LastError   string         `json:"lastError,omitempty"`
	LastErrorAt *time.Time     `json:"lastErrorAt,omitempty"`
	LastWork    *time.Time     `json:"lastWork,omitempty"`
	// ContinueEvery makes each run end after so many cycles; zero leaves it to the server's suggestion. For tests.
	ContinueEvery int64 `json:"continueEvery,omitempty"`
}

// Pause says who stopped admission, when and why.
type Pause struct {
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// Totals count since the dispatcher was first started.
type Totals struct {
	Claimed  int64 `json:"claimed"`
	Started  int64 `json:"started"`
	Requeued int64 `json:"requeued"` // starts that failed and will be tried again
	Failed   int64 `json:"failed"`   // items that ended FAILED
	Expired  int64 `json:"expired"`
}
