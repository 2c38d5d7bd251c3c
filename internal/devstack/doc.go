// Package devstack brings a PostgreSQL server and a Temporal dev server up as
// child processes of this process. It is what stands behind the worker's --dev
// flag and, through its sibling devtest, behind the tests.
//
// # What it owns
//
// The two processes, their ports, their logs and their data directory:
//
//	Dir/stack.lock     flock, held while a stack runs here; the truth about "is it running"
//	Dir/stack.json     the addresses of the running stack, see [ReadAddresses]
//	Dir/postgres       the database cluster, or a symlink to it (see below)
//	Dir/postgres.log   what the server wrote, likewise temporal.log
//	Dir/temporal.db    Temporal's SQLite file
//	Dir/temporal.pid   pid and command line of the running server
//
// Binaries come from the machine where it has them. Otherwise PostgreSQL and
// Temporal's CLI are downloaded once into the user's cache directory. Where there
// is no way to the CLI's download, it is built through the Go module proxy.
//
// # What it must not know
//
// Anything about Sluice: no schema, no migrations, no task queues. Search
// attributes are names and types given by the caller.
//
// # Invariants
//
//  1. One stack per directory. A second one gets an [InUseError] with the pid of the first.
//  2. No process is left behind: Close stops both in order (Temporal, then
//     PostgreSQL); on Linux the kernel ends them when this process is killed;
//     elsewhere the next start on the same directory ends them first.
//  3. No foreign process is signalled: a pid that was read from a file counts
//     only when that process's command line names our data directory or is the
//     one we recorded.
//  4. A directory's data survive every stop and every kill. Only InMemory stacks
//     run without fsync, and those start empty.
//  5. When Start returns, the servers answer and the search attributes can be used.
//  6. Nothing listens on anything but 127.0.0.1, and nothing is printed.
//
// # Root
//
// PostgreSQL refuses to run as root. Then initdb and postgres run as the user
// "postgres", or "nobody" where there is none, or the owner of an existing
// cluster. If that user cannot enter Dir (a parent is closed to others), the
// cluster lives under /var/tmp and Dir/postgres is a symlink to it, which is how
// the next start finds it. Removing Dir therefore still means starting anew.
//
// # Environment
//
//	SLUICE_TEMPORAL_CLI         the temporal binary to run
//	SLUICE_TEMPORAL_DOWNLOAD    what to download it from instead of https://temporal.download/cli
//	SLUICE_POSTGRES_BIN         the directory with initdb and postgres to run
//	SLUICE_POSTGRES_REPOSITORY  the Maven repository to download PostgreSQL from
package devstack
