// Package postgres prepares connections to Postgres for everything that opens its own: workers, starter and migrations.
//
// It owns three things that must be the same for all of them: what of a database URL counts, that each new connection reads
// the files that the URL names again (password, service, certificates), and what a session must be like for our statements.
// It must not know the schema, nor what a connection is used for.
//
// Invariants:
//   - nothing but the application's name is asked for while connecting: poolers refuse what they do not know there;
//   - a session has our settings whatever is set for its role or database, or is closed and a *Refusal says what to change;
//   - nothing is set on a server connection that a pooler gives to somebody else.
package postgres
