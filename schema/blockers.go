package schema

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// blockersSQL finds the sessions that have tables of the schema locked, and prepared transactions, which no session has any more; the
// oldest first. What another role does is not shown to everybody.
const blockersSQL = `
WITH held AS (
    SELECT l.pid, l.virtualtransaction FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND c.relnamespace = to_regnamespace('sluice')
), blocking AS (
    SELECT a.pid AS id, concat('session ', a.pid) AS name, a.usename, a.application_name, a.state, a.xact_start
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.pid IN (SELECT h.pid FROM held h)
    UNION ALL
    SELECT x.transaction::text::bigint, concat('prepared transaction ', quote_literal(x.gid)), x.owner, '', 'COMMIT PREPARED or ROLLBACK PREPARED ends it', x.prepared
    FROM pg_prepared_xacts x JOIN pg_locks t ON t.transactionid = x.transaction AND t.pid IS NULL AND t.granted
    WHERE t.virtualtransaction IN (SELECT h.virtualtransaction FROM held h WHERE h.pid IS NULL)
)
SELECT b.id, b.name, coalesce(b.usename, ''), coalesce(b.application_name, ''), coalesce(b.state, ''), coalesce(extract(epoch FROM clock_timestamp() - b.xact_start), 0)::float8
FROM blocking b ORDER BY b.xact_start NULLS LAST, b.id LIMIT 3`

// waiting is a migration that waits for other sessions.
type waiting struct {
	notify func(message string)
	seen   string  // the sessions that were seen last, as text
	pids   []int64 // and their process ids, or transaction ids
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
		var name, user, application, state string
		var seconds float64
		if rows.Scan(&pid, &name, &user, &application, &state, &seconds) != nil {
			return nil, ""
		}
		pids = append(pids, pid)
		session := fmt.Sprintf("%s of role %q", name, user)
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
