package queue

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// bulkColumns are plain items (no key, no times), turned by ninety degrees for unnest.
type bulkColumns struct {
	ids, workspaces, definitions []uuid.UUID
	priorities                   []int16
	inputs, actors, triggers     []string
}

func (c *bulkColumns) add(id uuid.UUID, item Item) {
	c.ids = append(c.ids, id)
	c.workspaces = append(c.workspaces, item.WorkspaceID)
	c.definitions = append(c.definitions, item.DefinitionID)
	c.priorities = append(c.priorities, int16(item.Priority))
	c.inputs = append(c.inputs, string(item.Input))
	c.actors = append(c.actors, item.EnqueuedBy)
	c.triggers = append(c.triggers, item.TriggerType)
}

// insert writes all rows in one statement, after each distinct (workspace, definition) has been checked once.
func (c *bulkColumns) insert(ctx context.Context, tx pgx.Tx) error {
	var workspace, definition *uuid.UUID
	var owner *uuid.UUID
	var known bool
	err := tx.QueryRow(ctx, `
		SELECT asked.workspace_id, asked.definition_id, d.workspace_id, EXISTS (SELECT FROM sluice.workspaces w WHERE w.id = asked.workspace_id)
		FROM (SELECT DISTINCT * FROM unnest($1::uuid[], $2::uuid[]) AS pair (workspace_id, definition_id)) AS asked
		LEFT JOIN sluice.workflow_definitions d ON d.id = asked.definition_id
		WHERE d.workspace_id IS DISTINCT FROM asked.workspace_id LIMIT 1`, c.workspaces, c.definitions).
		Scan(&workspace, &definition, &owner, &known)
	switch {
	case err == nil && !known:
		return &RequestError{Kind: ErrUnknownWorkspace, Message: "unknown workspace " + workspace.String()}
	case err == nil && owner == nil:
		return &RequestError{Kind: ErrUnknownDefinition, Message: "unknown workflow definition " + definition.String()}
	case err == nil:
		return &RequestError{Kind: ErrForeignDefinition, Message: "workflow definition " + definition.String() + " does not belong to workspace " + workspace.String()}
	case err != pgx.ErrNoRows:
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO sluice.execution_queue (id, workspace_id, workflow_definition_id, priority, input, enqueued_by, trigger_type)
		SELECT id, workspace_id, definition_id, priority, input::jsonb,
		       coalesce(nullif(actor, ''), nullif(current_setting('application_name'), ''), session_user), trigger_type
		FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::smallint[], $5::text[], $6::text[], $7::text[])
		     AS item (id, workspace_id, definition_id, priority, input, actor, trigger_type)`,
		c.ids, c.workspaces, c.definitions, c.priorities, c.inputs, c.actors, c.triggers)
	return err
}
