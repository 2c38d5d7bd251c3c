-- Deletes the record of limits of workspaces that were deleted so long ago that no claim that is retained can have been made
-- beside them, at most so many changes.
DELETE FROM sluice.limit_changes c WHERE c.id = ANY (ARRAY(
    SELECT x.id FROM sluice.settings s CROSS JOIN sluice.limit_changes d JOIN sluice.limit_changes x ON x.workspace_id = d.workspace_id
    WHERE s.retention > '0' AND d.action = 'workspace-deleted' AND d.at <= now() - s.retention LIMIT :'most'::int));
