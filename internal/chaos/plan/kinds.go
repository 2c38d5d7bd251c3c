package plan

import "time"

// Kind is what goes wrong.
type Kind string

// The kinds.
const (
	WorkerKill             Kind = "worker-kill"              // SIGKILL; started again after the length
	WorkerKillDispatcher   Kind = "worker-kill-dispatcher"   // the same, to the one that ran the dispatcher's last workflow task
	WorkerFreeze           Kind = "worker-freeze"            // SIGSTOP, SIGCONT
	WorkerFreezeDispatcher Kind = "worker-freeze-dispatcher" //
	WorkerStop             Kind = "worker-stop"              // SIGTERM; started again after the length
	TemporalKill           Kind = "temporal-kill"            // SIGKILL; started again after the length
	PostgresKill           Kind = "postgres-kill"            //
	PostgresStop           Kind = "postgres-stop"            // a fast shutdown
	CutPostgres            Kind = "cut-postgres"             // of one worker: connections are reset and refused
	CutTemporal            Kind = "cut-temporal"             //
	StallPostgres          Kind = "stall-postgres"           // of one worker: connections stay and deliver nothing
	StallTemporal          Kind = "stall-temporal"           //
	HalfOpenPostgres       Kind = "half-open-postgres"       // of one worker: its connections stay, and nothing arrives on them again
	HalfOpenTemporal       Kind = "half-open-temporal"       //
	HalfOpenListener       Kind = "half-open-listener"       // the connection of a dispatcher that waits
	ProxyAnswers           Kind = "proxy-answers"            // of all workers: HTTP errors in Temporal's place
	VisibilityAway         Kind = "visibility-away"          // of all workers: lists and counts are refused; an execution ends meanwhile
	CallbackCut            Kind = "callback-cut"             // Temporal's calls to the workers: refused, left unanswered, or answered 500; workflows end meanwhile
	CallbackForged         Kind = "callback-forged"          // calls that are not Temporal's, about workflows that run and that have ended
	ClockAhead             Kind = "clock-ahead"              // what a database's clock leaves that was an hour ahead
	ForeignNamespace       Kind = "foreign-namespace"        // a worker and a dispatcher of another namespace, on the same database
	PoisonedRows           Kind = "poisoned-rows"            // the database refuses what is done to some rows, for the length
	ConnectionsKill        Kind = "connections-kill"         // the workers' sessions in Postgres, again and again
	ClaimKill              Kind = "claim-kill"               // the session of a claim, in the middle of it
	HeldTurn               Kind = "held-turn"                // a session holds what a claim needs, for the length, and rolls back
	StaleClaims            Kind = "stale-claims"             // a shard without a dispatcher, claims that are not started: recovery releases them
	ExecutionTerminate     Kind = "execution-terminate"      // an open one
	ExecutionCancel        Kind = "execution-cancel"         //
	ExecutionReset         Kind = "execution-reset"          //
	ExecutionResetClosed   Kind = "execution-reset-closed"   // its workflow opens again
	ExecutionResetMany     Kind = "execution-reset-many"     // as many as a workspace has slots, beside a backlog of it
	ExecutionTimeout       Kind = "execution-timeout"        // passes its definition's timeout
	ExecutionDelete        Kind = "execution-delete"         // an open one, with its history
	DispatcherTerminate    Kind = "dispatcher-terminate"     // started again after the length, as an operator would
	ShardsChange           Kind = "shards-change"            // to 1, 2 or 3 dispatchers
	TierCut                Kind = "tier-cut"                 // while running
	TierRaise              Kind = "tier-raise"               //
	LimitCut               Kind = "limit-cut"                // of a workspace, a plan or all to nothing, while claims run
	LimitStorm             Kind = "limit-storm"              // limits and definitions change faster than claims
	GlobalLimit            Kind = "global-limit"             // over several shards, whose number changes meanwhile
	Pause                  Kind = "pause"                    // the dispatchers' own; resumed after the length
	PauseEverything        Kind = "pause-everything"         // while claims run, as the four below; resumed after the length
	PauseWorkspace         Kind = "pause-workspace"          //
	PauseType              Kind = "pause-type"               // of workflow, in all workspaces
	PauseWorkspaceType     Kind = "pause-workspace-type"     // in one
	PauseDefinition        Kind = "pause-definition"         //
	PauseWithin            Kind = "pause-within"             // of a workspace and of everything, of which one is resumed first
	PauseFor               Kind = "pause-for"                // of one of the five for the length: it ends by itself
	PauseForKill           Kind = "pause-for-kill"           // the same, and the dispatcher's worker is killed across the end
	PauseForStop           Kind = "pause-for-stop"           // the same, and it is stopped
	Drain                  Kind = "drain"                    // of a workspace, until nothing of it runs; resumed after the length
	TemporaryLimit         Kind = "temporary-limit"          // of a workspace to nothing, for the length
	BulkCancel             Kind = "bulk-cancel"              // what a workspace has waiting and running of a definition
	BulkReplay             Kind = "bulk-replay"              // executions that have FAILED
	DuplicateEnqueue       Kind = "duplicate-enqueue"        // one unique key from many clients at once
	RetryRefused           Kind = "retry-refused"            // an item that FAILED, its cause mended
	OldSnapshot            Kind = "old-snapshot"             // a transaction enqueues, stays open for the length, and is committed or not
)

// profile is how often a kind comes and how long it lasts; no length where it is over at once.
type profile struct {
	kind              Kind
	weight            int // cards in the deck
	shortest, longest time.Duration
}

const (
	ms  = time.Millisecond
	sec = time.Second
)

var profiles = []profile{
	{WorkerKill, 2, 200 * ms, 3 * sec},
	{WorkerKillDispatcher, 2, 200 * ms, 3 * sec},
	{WorkerFreeze, 1, 1 * sec, 15 * sec},
	{WorkerFreezeDispatcher, 1, 1 * sec, 15 * sec},
	{WorkerStop, 1, 0, 2 * sec},
	{TemporalKill, 1, 0, 3 * sec},
	{PostgresKill, 1, 0, 3 * sec},
	{PostgresStop, 1, 0, 3 * sec},
	{CutPostgres, 2, 1 * sec, 10 * sec},
	{CutTemporal, 2, 1 * sec, 10 * sec},
	{StallPostgres, 1, 1 * sec, 10 * sec},
	{StallTemporal, 1, 1 * sec, 10 * sec},
	{HalfOpenPostgres, 1, 0, 0},
	{HalfOpenTemporal, 1, 0, 0},
	{HalfOpenListener, 1, 0, 0},
	{ProxyAnswers, 1, 1 * sec, 5 * sec},
	{VisibilityAway, 1, 10 * sec, 20 * sec},
	{CallbackCut, 1, 5 * sec, 15 * sec},
	{CallbackForged, 1, 3 * sec, 10 * sec},
	{ClockAhead, 1, 0, 0},
	{ForeignNamespace, 1, 0, 0},
	{PoisonedRows, 1, 4 * sec, 12 * sec},
	{ConnectionsKill, 1, 300 * ms, 2 * sec},
	{ClaimKill, 2, 0, 300 * ms},
	{HeldTurn, 1, 2 * sec, 8 * sec},
	{StaleClaims, 1, 0, 0},
	{ExecutionTerminate, 2, 0, 0},
	{ExecutionCancel, 1, 0, 0},
	{ExecutionReset, 1, 0, 0},
	{ExecutionResetClosed, 2, 0, 0},
	{ExecutionResetMany, 1, 0, 0},
	{ExecutionTimeout, 1, 0, 0},
	{ExecutionDelete, 2, 0, 0},
	{DispatcherTerminate, 1, 0, 2 * sec},
	{ShardsChange, 1, 0, 0},
	{TierCut, 1, 0, 0},
	{TierRaise, 1, 0, 0},
	{LimitCut, 2, 500 * ms, 2500 * ms},
	{LimitStorm, 1, 2 * sec, 5 * sec},
	{GlobalLimit, 1, 4 * sec, 12 * sec},
	{Pause, 1, 1 * sec, 5 * sec},
	{PauseEverything, 1, 500 * ms, 2500 * ms},
	{PauseWorkspace, 1, 500 * ms, 2500 * ms},
	{PauseType, 1, 500 * ms, 2500 * ms},
	{PauseWorkspaceType, 1, 500 * ms, 2500 * ms},
	{PauseDefinition, 1, 500 * ms, 2500 * ms},
	{PauseWithin, 1, 500 * ms, 2500 * ms},
	{PauseFor, 1, 1 * sec, 4 * sec},
	{PauseForKill, 1, 2 * sec, 4 * sec},
	{PauseForStop, 1, 2 * sec, 4 * sec},
	{Drain, 1, 500 * ms, 2500 * ms},
	{TemporaryLimit, 1, 1 * sec, 4 * sec},
	{BulkCancel, 1, 0, 0},
	{BulkReplay, 1, 0, 0},
	{DuplicateEnqueue, 1, 0, 0},
	{RetryRefused, 1, 0, 0},
	{OldSnapshot, 1, 10 * sec, 40 * sec},
}

// Kinds are all of them, in the order of the report.
func Kinds() []Kind {
	kinds := make([]Kind, len(profiles))
	for i, p := range profiles {
		kinds[i] = p.kind
	}
	return kinds
}
