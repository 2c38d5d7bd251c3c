// Package operate is what operators do to a running system: start and stop the dispatcher, ask it how it is, pause it,
// tune it, cancel an execution, audit what it has done. The CLI, the demo and tests share it.
//
// It owns the way each of these is said to Temporal (workflow options, the recovery schedule, search attributes,
// updates and queries) and how long an answer may take. It must not know SQL, nor what the dispatcher does with a
// message: the names and payloads are package workflows'.
//
// Invariants:
//   - any number of Starts, at once or one after the other, leave one open dispatcher of each shard and one recovery schedule;
//   - the dispatcher has no execution timeout: only Stop ends it, and a number of shards that leaves it without one;
//   - a message to the dispatcher goes to those of all shards;
//   - a message is sent under one update id however often it is retried, so one run applies it at most once;
//   - no call blocks for ever because no worker is there: it ends with ErrNoWorker within AnswerTimeout.
package operate
