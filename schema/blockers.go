package schema

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// blockersSQL finds the sessions that have tables of the schema locked, the oldest transactions first. What another role does
// is not shown to everybody.
const blockersSQL = `
SELECT a.pid, coalesce(a.usename, ''), coalesce(a.application_name, ''), coalesce(a.state, ''), coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8
FROM pg_stat_activity a
WHERE a.pid <> pg_backend_pid() AND EXISTS (
    SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.pid = a.pid AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND c.relnamespace = to_regnamespace('sluice'))
ORDER BY a.xact_start NULLS LAST, a.pid LIMIT 3`

// waiting is a migration that waits for other sessions.
type waiting struct {
	notify func(message string)
	seen   string  // the sessions that were seen last, as text
	pids   []int64 // and their ids
}

func (w *waiting) look(ctx context.Context, db *sql.DB) {
	pids, sessions := blockers(ctx, db)
	if sessions == "" {
		return
	}
	if w.notify != nil && !slices.Equal(pids, w.pids) {
		w.notify("the migration waits for " + sessions)
	}
	w.seen, w.pids = sessions, pids
}

// behind says in an error what the migration has waited for.
func (w *waiting) behind() string {
	if w.seen == "" {
		return ""
	}
	return " (behind " + w.seen + ")"
}

// blockers says for which sessions a migration waits, as far as that is to be seen; "" if it is not.
func blockers(ctx context.Context, db *sql.DB) (pids []int64, text string) {
	rows, err := db.QueryContext(ctx, blockersSQL)
	if err != nil {
		return nil, ""
	}
	defer func() { _ = rows.Close() }()
	var sessions []string
	for rows.Next() {
		var pid int64
		var user, application, state string
		var seconds float64
		if rows.Scan(&pid, &user, &application, &state, &seconds) != nil {
			return nil, ""
		}
		pids = append(pids, pid)
		session := fmt.Sprintf("session %d of role %q", pid, user)
		if application != "" {
			session += fmt.Sprintf(" (%s)", application)
		}
		if state != "" {
			session += fmt.Sprintf(", %s, its transaction open for %s", state, time.Duration(seconds*float64(time.Second)).Round(time.Second))
		}
		sessions = append(sessions, session)
	}
	if rows.Err() != nil {
		return nil, ""
	}
	return pids, strings.Join(sessions, "; ")
}
