// Command starter is the command line of Sluice: it migrates the schema, starts and steers the dispatcher, and enqueues,
// lists, cancels and retries work.
//
// It owns flags, configuration, exit codes and what is printed. It must not know how anything is done: queue and admin
// change what is in Postgres, internal/store/facts reads it, internal/operate talks to Temporal, schema migrates,
// internal/connect waits for servers.
//
// Reading order: main.go, root.go (the tree and its help), config.go (where addresses come from), app.go (connections),
// exit.go (errors to exit codes); then one file for each noun, with its rendering in a render_ file.
//
// Invariants:
//   - a command opens only the servers it needs: everything but start, stop, status, audit, pause, resume, configure and the
//     cancellation of what runs works while Temporal is down;
//   - results go to stdout, everything else to stderr; with --json both are JSON, and stderr holds nothing but an error;
//   - rendering is pure: it is given the data and the time, so golden files can pin it;
//   - nothing reads the process environment but main.
package main
