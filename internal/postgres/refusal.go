package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// Refusal is a server, a database or a role that cannot serve us until somebody changes it. Trying again does not help.
type Refusal struct {
	Reason string // what is wrong
	Remedy string // what to change
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reason + "; " + r.Remedy }

// oldest is the first version that has all that our schema uses.
const oldest = 13

// facts are what a session tells of its server.
type facts struct {
	pid         uint32
	version     int // 150004
	versionName string
	standby     bool
	encoding    string
	database    string
	role        string
	replication string
}

const factsSQL = `SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('server_version_num'), pg_catalog.current_setting('server_version'),
    pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('server_encoding'), pg_catalog.current_database(), current_user,
    pg_catalog.current_setting('session_replication_role')`

// look runs statements and reads the facts, in one round trip and in any state of the session.
func look(ctx context.Context, conn *pgx.Conn, statements string) (f facts, err error) {
	results, err := conn.PgConn().Exec(ctx, statements+factsSQL).ReadAll()
	if err != nil {
		return f, err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 8 {
		return f, errors.New("the server does not tell what it is")
	}
	text := func(i int) string { return string(last.Rows[0][i]) }
	pid, err := strconv.ParseUint(text(0), 10, 32)
	if err != nil {
		return f, fmt.Errorf("read the id of the server's process: %w", err)
	}
	version, err := strconv.Atoi(text(1))
	if err != nil {
		return f, fmt.Errorf("read the version of the server: %w", err)
	}
	return facts{pid: uint32(pid), version: version, versionName: text(2), standby: text(3) == "t", encoding: text(4), database: text(5), role: text(6),
		replication: text(7)}, nil
}

// refusal is nil where everything is as it must be.
func (f facts) refusal() error {
	switch {
	case f.version < oldest*10000:
		return &Refusal{fmt.Sprintf("PostgreSQL %s is too old", f.versionName), fmt.Sprintf("use version %d or newer", oldest)}
	case f.standby:
		return &Refusal{"this server is a standby, which only reads",
			"name the primary in DATABASE_URL, or all servers with target_session_attrs=read-write"}
	case f.encoding != "UTF8":
		return &Refusal{fmt.Sprintf("database %s has the encoding %s, which cannot hold every input and output", f.database, f.encoding),
			"create one with ENCODING 'UTF8' TEMPLATE template0, and name that in DATABASE_URL"}
	case f.replication != "origin":
		return &Refusal{"session_replication_role is " + f.replication + ", which switches triggers off",
			fmt.Sprintf("ALTER ROLE %s RESET session_replication_role, or the same for the database", pgx.Identifier{f.role}.Sanitize())}
	}
	return nil
}
