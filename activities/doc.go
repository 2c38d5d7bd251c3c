// Package activities is the edge: what the workflows ask for, done on Postgres and on Temporal. It is thin.
//
// It owns the translation between the three: payloads of package workflows to calls of the engine (internal/dispatch), of the
// store and of recovery, their errors to Temporal's retryable and non-retryable ones (errors.go, the one place), claims to
// start options. Its one mechanism is the launcher, which has many starts under way at once. It must not hold SQL, and decides
// nothing about capacity: the engine of the shard does.
//
//	activity             kind     idempotent because
//	TakeOver             local    the same run and number get the same turn
//	Retire               local    once noted for a run it stays so
//	CheckCapacity        either   changes nothing that counts: its plan stays in this process, and is put back by the next one.
//	                              Regular, without the spin, when the dispatcher yields its workflow task
//	ClaimExecutions      local    a plan is claimed once, in the turn it was made for; elsewhere there is no plan
//	DispatchExecutions   local    workflow ids derive from item ids; "already started by us" is success. It is handed what the
//	                              claim before it took, and reads in Postgres what there is when there may be more
//	AwaitWork            regular  waits, then takes the three steps above
//	LogAction            local    may log twice: a fact for people, not for decisions
//	RecordOutcome        local    the first outcome stays; refused from any other workflow than the execution's own
//	CallHTTP             regular  sends an Idempotency-Key; the endpoint decides. Where it may go: internal/outbound; when: internal/places.
//	                              Refused from any other workflow than an execution of a definition, and from a child of its id
//	Sweep                regular  each transition is guarded in its statement
//	ReleaseStaleClaims   regular  the same; asks Temporal before it puts a claim back
//	Reconcile            regular  the same; asks Temporal before it frees a slot
//
// Starts of a large batch outlive their dispatch: the cycle goes on to claim the next batch meanwhile, and the next dispatch
// reports them. They are settled meanwhile. A settle that fails, and a start without an answer, put the engine in doubt: the
// next dispatch then reads what is claimed and not started, and starts it again by the same ids.
//
// Invariants:
//   - what is registered for the default task queue takes calls of Sluice's own workflows alone, by type, id and parent (callers.go):
//     every workflow of the namespace may schedule an activity there;
//   - a start that got no answer costs its item no attempt, and what fails because of the namespace or the credentials costs
//     none either;
//   - a failed start is undone in a turn of its own, so a process that has been overtaken leaves it to its successor;
//   - what is started again is no longer taken for failed;
//   - an outcome that this process records is known to its engines at once (Freed), before Postgres tells of it;
//   - a worker that stops hands its waits to another at once, and waits for the starts that it has under way.
package activities
