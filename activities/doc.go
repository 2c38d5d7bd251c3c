// Package activities is the edge: what the workflows ask for, done on Postgres (queue) and on Temporal (client).
//
// It owns the translation between the three: payloads of package workflows to calls of package queue, errors of both
// to Temporal's retryable and non-retryable (errors.go, the one place), definitions to start options. It must not hold
// SQL, and decides nothing about capacity: CheckCapacity reads the facts and lets internal/admission decide.
//
//	activity             kind     idempotent because
//	OpenEpoch            local    the same run id gets the same epoch
//	Retire               local    once noted for a run it stays so
//	CheckCapacity        either   reads only, and looks on for a spin while there is nothing to do; regular, without the
//	                              spin, when the dispatcher yields its workflow task. What this process remembers
//	                              (queue.Memory) decides what is read, never what may be claimed
//	ClaimExecutions      local    a cycle is accepted once
//	DispatchExecutions   local    workflow ids derive from queue items; "already started by us" is success.
//	                              It is handed what the claim before it took, and reads what may be left otherwise.
//	                              The last starts of a large batch outlive it (launcher) and settle by themselves.
//	                              This process runs the first tasks of its share of them (eager)
//	SpinForWork          local    reads only; after a claim that found everything held by somebody
//	PassCycle            local    a cycle that is passed stays so
//	AwaitWork            regular  its row in `parked` carries a token of its own; what has come it claims and dispatches
//	                              in a cycle that is accepted once, as the steps above do
//	LogAction            local    may log twice: a fact for people, not for decisions
//	RecordOutcome        local    the first outcome stays
//	CallHTTP             regular  sends an Idempotency-Key; the endpoint decides
//	SweepQueue           regular  each transition is guarded in its statement
//	ReleaseStaleClaims   regular  the same
//	ReconcileSlots       regular  the same; verifies with Temporal before it frees
package activities
