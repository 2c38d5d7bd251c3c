// Package outbound decides where http nodes may connect to, and with which secrets.
//
// What a node calls is written by a workspace, and is called from the worker's network: so it must not reach what only that
// network reaches, nor take another workspace's credentials along. Addresses are judged when a connection is made, after
// names are resolved: a name may mean another address each time it is asked for, and each redirect, retry and second address
// comes through there. Names are judged by the list of hosts of a workspace, for each redirect too.
//
// It knows package definition, for the names of secrets, and nothing of Postgres or Temporal.
package outbound
