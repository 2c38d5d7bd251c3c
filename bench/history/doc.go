// Package history makes an installation that has been used for long, for a benchmark: many workspaces, millions of items that have ended, and
// a backlog. [Fill] makes it; [Asked] measures how long its pages and listings take to be answered.
//
// Nothing of it ever ran: the rows are written past the queue and its guards, and Temporal knows none of the executions.
package history
