// Command bench measures what Sluice costs, and holds the figures against gates.
//
//	go run ./bench                                    does every scenario still work? minutes, on any machine
//	go run ./bench --scale full > report.md           the figures; hours, on a machine that does nothing else
//	go run ./bench --scale full --only claim,engine
//
// A scenario measures within one run: what Sluice does against what Temporal or Postgres do without it, alternating, so
// that the machine and its mood cancel out. Its figures are ratios and counts, and absolute numbers where the gate is
// one. A run is repeated and the median counts; the report shows the range beside it.
//
//	throughput    the whole way of many executions             against the same workflow started by a plain client
//	latency       enqueue → first workflow task, hot and cold  against a plain start → first workflow task
//	refill        outcome → first workflow task of the next    against the same
//	claim         admitting 100 from a deep backlog            against a shallow one; capped, and under an old snapshot
//	engine        admission on Postgres alone, nothing started
//	enqueue       one at a time, and in bulk                   against a bare INSERT
//	heldopen      enqueues and claims beside an open EnqueueTx against the same without it
//	events        history events of the dispatcher, busy and idle
//	fairness      the policy under a flood and in saturation, simulated
//
// gates.json holds the limits, by scenario and figure. They judge runs of --scale full only, and then a missed one is
// exit code 1. A small run is for seeing that every scenario does what it says: it checks its own premises (all was
// claimed, nothing was lost, what should be parked was) and fails when they do not hold.
//
// The parts:
//
//	main.go, run.go      the command line; scenarios, repetitions
//	gates.go, stats.go   what is good enough; medians
//	report.go, chart.go  Markdown, and the figures against their gates as an SVG
//	machine.go           what it was measured on
//	database.go, load.go a database with workspaces, and a backlog in it
//	stack.go             that and Temporal, on disk, with a worker and the dispatcher in this process
//	plain.go             the same workflow started by a client that knows nothing of Sluice
//	cycle.go, plan.go    one cycle of the dispatcher without Temporal, and the query plans of one
//
// Scenarios fill the backlog, read the records and make tables to compare with by SQL of their own; what is measured
// goes through the packages that applications and workers use. Nothing may import this package.
package main
