// Package controls is the SQL of what operators hold and move while everything runs: pauses, limits for a time, and changes of
// many items at once.
//
// Each statement is a file of sql/. Values come checked, as for package catalog: what an operator may ask for, and how errors are
// worded, belongs to package admin. Functions that take a pgx.Tx are steps of a transaction and return errors as they are.
//
// Invariants:
//   - a pause, a limit for a time, and the early end of one take the next turn of the shards that they concern (by triggers of the schema), so
//     no claim that was planned before commits after it;
//   - a batch of many items is one statement, of a bounded number of rows, that leaves out what a claim holds;
//   - what was enqueued, or has ended, after a selection was made is not of it;
//   - to ask for what is already so changes nothing;
//   - all times are the database's.
//
// It must not know admission, Temporal, or how limits are judged.
package controls
