// Command peers puts Sluice's admission engine beside two other queues on Postgres: DBOS Transact for Go, and River.
//
//	go run .                             does every system still do the work? a minute, on any machine
//	go run . --scale full > report.md    the figures; minutes, on a machine that does nothing else
//
// It is a module of its own, so that the main one never depends on what it is compared with.
//
// Each system gets the same work: items that do nothing, for so many workspaces, of which 10 may run at once in each.
// All of it is enqueued, the database is tidied, and then the system is let loose. The clock is the database server's
// and runs from the first admission to the moment when the last outcome is recorded. All systems use one server, a
// database of their own each time, and 20 connections. They take turns, several rounds of them, and medians count.
//
// Afterwards each run is checked: every item ran once, and has an outcome. How many of a workspace were running at once
// is read from the records that the system itself keeps. A system without a cap is not an error; the report shows it.
//
// The parts:
//
//	main.go, run.go              the command line; rounds, one run and its checks
//	work.go                      the items, and who ran what
//	server.go                    the PostgreSQL server, its databases and its clock
//	records.go                   what the records say was running at once
//	sluice.go, dbos.go, river.go the systems
//	report.go                    Markdown
package main
