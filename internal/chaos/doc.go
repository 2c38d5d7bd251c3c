// Command chaos breaks a running Sluice in every way we know, and counts what it promised and did not keep.
//
//	go run ./internal/chaos --seed 1 --duration 5m
//
// What it is made of:
//
//	plan/      which fault comes when, from a seed
//	cluster/   PostgreSQL, Temporal and workers, with the ways to hurt them
//	ledger/    what was asked and answered, remembered outside of the system, and its judgement
//	load.go, enqueue.go       clients of every kind, over many workspaces with small limits
//	inject*.go what each kind of fault does, and to what: processes, connections, claims, limits, executions, clients
//	weather/   which parts are away, and since when they are back
//	recovery.go               how long it takes until it is got over
//	judge.go, replay.go       the end: audit, ledger, replay of the histories
//	progress.go, progress/    whether anything waited beside a free slot meanwhile
//	report.go  the outcome in Markdown
//
// The plan of faults is the same for the same seed. What they hit, and what the load looks like at that moment, is not:
// real processes and a real network have no seed.
//
// A violation is a broken promise, whatever broke it: an item lost or started twice, a workspace above its limit, a claim
// after the commit of a cut, a slot held for nothing, a recovery that has not come 60 s after all parts are back, a history
// that does not replay, a worker that ended by itself. There are no warnings: what is not judged is not looked at.
//
// It must not be needed by anything outside: it imports the system, never the other way round.
package main
