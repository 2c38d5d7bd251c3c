package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"sluice/internal/definition"
)

// Definition is a workflow definition at its current version.
type Definition struct {
	ID          uuid.UUID `json:"id"`
	WorkspaceID uuid.UUID `json:"workspaceId"`
	Name        string    `json:"name"`
	Version     int       `json:"version"`
	Nodes       int       `json:"nodes"`
	UpdatedAt   time.Time `json:"updatedAt"`
}

// ApplyDefinition validates a definition file and makes it the current version of the definition with its name in the
// workspace, creating the definition if need be. Applying what is current already changes nothing. Executions keep
// the version they were claimed with. Errors: ErrInvalid with everything that is wrong, ErrUnknownWorkspace.
func (q *Queue) ApplyDefinition(ctx context.Context, workspace uuid.UUID, raw []byte, actor string) (Definition, error) {
	d := Definition{WorkspaceID: workspace}
	parsed, err := definition.Parse(raw)
	if err != nil {
		return d, fmt.Errorf("apply definition: %w", &RequestError{Kind: ErrInvalid, Message: err.Error()})
	}
	d.Name, d.Nodes = parsed.Name, len(parsed.Nodes)
	err = pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		// The workspace row orders two applies of one name; FOR KEY SHARE would not.
		err := tx.QueryRow(ctx, `SELECT id FROM sluice.workspaces WHERE id = $1 FOR NO KEY UPDATE`, workspace).Scan(&workspace)
		if errors.Is(err, pgx.ErrNoRows) {
			return unknownWorkspace(workspace)
		}
		if err != nil {
			return err
		}
		var same bool
		err = tx.QueryRow(ctx, `
			SELECT d.id, d.version_number, d.updated_at, v.workflow IS NOT DISTINCT FROM $3::jsonb
			FROM sluice.workflow_definitions d LEFT JOIN sluice.workflow_definition_versions v
			     ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
			WHERE d.workspace_id = $1 AND d.name = $2`, workspace, d.Name, raw).Scan(&d.ID, &d.Version, &d.UpdatedAt, &same)
		if errors.Is(err, pgx.ErrNoRows) {
			d.ID = uuid.Must(uuid.NewV7())
			_, err = tx.Exec(ctx, `INSERT INTO sluice.workflow_definitions (id, workspace_id, name, version_number) VALUES ($1, $2, $3, 1)`, d.ID, workspace, d.Name)
		}
		if err != nil || same {
			return err
		}
		if err := tx.QueryRow(ctx, `
			INSERT INTO sluice.workflow_definition_versions (workflow_definition_id, version_number, workflow)
			SELECT $1, coalesce(max(version_number), 0) + 1, $2::jsonb FROM sluice.workflow_definition_versions WHERE workflow_definition_id = $1
			RETURNING version_number`, d.ID, raw).Scan(&d.Version); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `UPDATE sluice.workflow_definitions SET version_number = $2, updated_at = now() WHERE id = $1 RETURNING updated_at`,
			d.ID, d.Version).Scan(&d.UpdatedAt); err != nil {
			return err
		}
		return log(ctx, tx, Activity{Actor: actor, Action: "definition-applied", WorkspaceID: &workspace,
			Details: details("definition", d.Name, "version", d.Version)})
	})
	return d, wrap(err, "apply definition")
}

// Definitions lists the definitions of a workspace, or all of them for the nil id, by name.
func (q *Queue) Definitions(ctx context.Context, workspace uuid.UUID) ([]Definition, error) {
	list, err := collect[Definition](ctx, q.pool, `
		SELECT d.id, d.workspace_id, d.name, d.version_number AS version,
		       coalesce(jsonb_array_length(CASE WHEN jsonb_typeof(v.workflow -> 'nodes') = 'array' THEN v.workflow -> 'nodes' END), 0) AS nodes, d.updated_at
		FROM sluice.workflow_definitions d LEFT JOIN sluice.workflow_definition_versions v
		     ON v.workflow_definition_id = d.id AND v.version_number = d.version_number
		WHERE $1::uuid = '00000000-0000-0000-0000-000000000000' OR d.workspace_id = $1 ORDER BY d.name, d.id`, workspace)
	return list, wrap(err, "list definitions")
}
