// Package ledger remembers, outside of the system under test, what was asked of it and what it answered, and judges at
// the end whether what is there is what was promised.
//
// Every intention to run something gets a ticket, whose number travels in the item's input. So each row can be brought
// back to its intention, whatever became of the answer:
//
//	acknowledged  some enqueue of it was answered with an id   → exactly that item exists, and has ended
//	rolled back   its transaction was rolled back              → no item exists
//	unanswered    neither: the connection broke in between     → at most one item exists
//
// It is pure but for its lock: it knows no clock, SQL or Temporal, and the facts are handed to Judge.
package ledger
