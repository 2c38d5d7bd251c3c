package schema

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ownerSQL returns the role that owns the tables of the schema, or, while there are none, the schema itself.
const ownerSQL = `SELECT pg_get_userbyid(coalesce(c.relowner, n.nspowner)) AS owner FROM pg_namespace n
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'schema_migrations' WHERE n.nspname = 'sluice'`

// actAsOwnerSQL has an administrator, or a member of the owner, make objects as the owner does. The functions that act as their owner would
// have no rights on tables that somebody else has made. Where tables of several owners are there already it changes nothing: the owner of
// one could not change the others.
const actAsOwnerSQL = `SELECT set_config('role', o.owner, false) FROM (` + ownerSQL + `) AS o
WHERE o.owner <> current_user
  AND pg_has_role(o.owner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)
  AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = 'sluice' AND pg_get_userbyid(c.relowner) <> o.owner)`

// occupiedSQL returns whether the schema has tables although no migration is on record.
const occupiedSQL = `SELECT NOT EXISTS (SELECT FROM sluice.schema_migrations m WHERE m.version_id > 0) AND EXISTS (
    SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'sluice' AND c.relkind IN ('r', 'p', 'v') AND c.relname <> 'schema_migrations')`

// remedy says what to do where a migration is not possible.
func remedy(ctx context.Context, db *sql.DB, err error) error {
	var occupied bool
	if db.QueryRowContext(ctx, occupiedSQL).Scan(&occupied) == nil && occupied {
		return fmt.Errorf("%w; schema sluice has tables that no migration has made, another application's or those of a dump without its data: "+
			"restore all of the dump, or remove them", err)
	}
	return mayNot(ctx, db, err)
}

// mayNot says what to do where the role may not migrate.
func mayNot(ctx context.Context, db *sql.DB, err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "42501" { // insufficient_privilege
		return err
	}
	var role string
	var owner sql.NullString
	if db.QueryRowContext(ctx, `SELECT current_user, (`+ownerSQL+`)`).Scan(&role, &owner) != nil || owner.String == role {
		return err
	}
	name := pgx.Identifier{role}.Sanitize()
	if !owner.Valid {
		return fmt.Errorf("%w; have an administrator run: CREATE SCHEMA sluice AUTHORIZATION %s", err, name)
	}
	return fmt.Errorf("%w; schema sluice belongs to role %q: migrate as that role, or GRANT %s TO %s", err, owner.String, pgx.Identifier{owner.String}.Sanitize(), name)
}
