// Command bench measures what Sluice costs, and holds the figures against gates.
//
//	go run ./bench                                    does every scenario still work? minutes, on any machine
//	go run ./bench --scale full > report.md           the figures; hours, on a machine that does nothing else
//	go run ./bench --scale full --only claim,engine
//
// A scenario measures within one run: what Sluice does against what Temporal or Postgres do without it, alternately, so
// that the machine and its load cancel out. Its figures are ratios, counts, and processor time, which other work on the machine
// hardly changes; rates are reported beside them. A run is repeated and the median counts; the report shows the range beside it.
//
//	throughput    the whole way of many executions             against the same workflow started by a plain client
//	dashboard     the same while ten pages of it are open      against while none is
//	history       pages and listings over 3 million ended items, each within its time
//	latency       enqueue → first workflow task, seen from     against a plain start → first workflow task
//	              another process, traffic flowing and cold
//	refill        outcome → first workflow task of the next    against the same
//	workflows     the same three with a type of one's own      against the same; by each way of learning an end
//	claim         admitting 100 from a deep backlog            against a shallow one; also under an old snapshot
//	load          memory and time of a process that begins with many workspaces
//	engine        admission on Postgres alone, nothing started against bare statements on the same tables
//	enqueue       one at a time, and in bulk                   against a bare INSERT and COPY
//	heldopen      enqueues and claims beside an open EnqueueTx against the same without it
//	events        history events of the dispatcher, busy and idle
//	estimates     the intervals in which items are expected to start, against when they do
//	fairness      the policy under a flood and in saturation, simulated
//
// gates.json holds the limits, by scenario and figure. They judge runs of --scale full only, and then a missed one is
// exit code 1. A small run is for seeing that every scenario does what it says: it checks its own premises (all was
// claimed, nothing was lost, what should wait did) and fails when they do not hold.
//
// The parts:
//
//	main.go, run.go        the command line; scenarios, repetitions
//	gates.go               what is good enough; medians
//	report.go              Markdown, and the figures against their gates as an SVG; what it was measured on
//	processor.go           things that take turns, and the processor time of this process and of the server
//	database.go            a database with workspaces; backlog.go fills it
//	cycle.go, plan.go      one cycle of the dispatcher without Temporal, and the query plans of one
//	bare.go                the same rows by statements that decide nothing
//	stack.go               a database and Temporal, on disk, with a worker and the dispatcher in this process
//	history/               an installation that has been used for long
//	browsers/              clients that hold pages of the dashboard open
//	workflows*.go          items that are workflows; how their ends are learnt
//	outside.go, plain.go   another process, which asks for executions: from Sluice, or by starting the same workflow itself
//
// Scenarios fill the backlog, read the records and make tables to compare with by SQL of their own; what is measured
// goes through the packages that applications and workers use. Nothing may import this package.
package main
