package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrForbidden says that a role lacks rights.
var ErrForbidden = errors.New("grant it what docs/operations.md lists under 'Roles and grants', after each migration")

// missingSQL finds what the grants of a worker have and the role has not, and what row security would hide from it without an error.
const missingSQL = `
SELECT current_user, coalesce(string_agg(m.name, ', ' ORDER BY m.name), '') FROM (
    SELECT concat(c.oid::regclass::text, CASE WHEN row_security_active(c.oid) THEN ' (row security)' END) FROM pg_class c
    WHERE c.relnamespace = 'sluice'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
      AND NOT (NOT row_security_active(c.oid) AND has_table_privilege(c.oid, 'SELECT') AND (c.relkind = 'v' OR c.relname = 'schema_migrations'
          OR has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')))
    UNION ALL
    SELECT p.oid::regprocedure::text FROM pg_proc p
    WHERE p.pronamespace = 'sluice'::regnamespace AND p.prosecdef AND p.prorettype <> 'trigger'::regtype AND NOT has_function_privilege(p.oid, 'EXECUTE')
) AS m (name)`

// CheckWorker returns nil when the role may do what a worker does, ErrForbidden with what it may not use otherwise. Without this a worker
// that lacks one right would start, and nothing else would.
func CheckWorker(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) error {
	var role, missing string
	if err := conn.QueryRow(ctx, missingSQL).Scan(&role, &missing); err != nil {
		return fmt.Errorf("read the rights in schema sluice: %w", err)
	}
	if missing == "" {
		return nil
	}
	const most = 400
	if len(missing) > most {
		missing = missing[:strings.LastIndex(missing[:most], ", ")] + " and more"
	}
	return fmt.Errorf("role %q may not use all of a worker's: %s; %w", role, missing, ErrForbidden)
}

// forbidden adds the remedy where the role lacks a right.
func forbidden(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "42501" {
		return fmt.Errorf("%w; the role of DATABASE_URL lacks a right: %w", err, ErrForbidden)
	}
	return err
}
