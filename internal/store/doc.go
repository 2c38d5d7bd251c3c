// Package store holds all SQL that is not DDL: the transitions of an item, and what the engine of a shard reads.
//
// It owns the statements, and the order in which they take locks. It must not know Temporal, and decides nothing: what is to be
// claimed is package dispatch's to say. Package catalog has the statements about workspaces, limits and definitions, package
// facts those that only read for people, audits and tools.
//
// # Statements
//
// A statement stands whole in a file of sql/, with its parameters written as psql does (:'shard'::int): after \set it can be
// pasted there. Each transition of an item is one statement, and guards the state it starts from:
//
//	enqueue ─► pending ─ claim ─► running ─ end_running ─► ended
//	              │ ▲               │                        │
//	              │ ├─── requeue ───┤ (release, too)         │
//	              │ ├─── retry (package catalog) ────────────┤
//	              │ └─► reopen_pending ─► running ◄─ reopen_ended
//	              └─► end_pending ─► ended
//
// # Locks
//
// A statement that takes a turn of the journal takes it first and rows after it; of turns of several shards the lowest first;
// of rows of running, and of virtual_times, those in the order of their ids. A claim waits for no row: what another
// transaction holds it leaves out. An enqueue takes no lock that another enqueue or the dispatcher waits for, but for two
// enqueues of one unique key.
//
// # Events
//
// Each statement that brings items or frees slots also writes an event (sluice.events). One that is a transaction of its own
// notifies waiting dispatchers itself and marks its event as quiet; for others a trigger does so at the commit.
//
// # Plans
//
// Statements that hold slots or read a backlog are planned without sequential and bitmap scans, and once, by settings that
// last for their own transaction (tune.sql): a connection needs no settings, so any pool will do.
package store
