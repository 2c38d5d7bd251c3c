-- Moves a workspace to another plan.
UPDATE sluice.workspaces SET plan = :'plan'::text, updated_at = now() WHERE id = :'workspace'::uuid RETURNING id, name, plan, external_key;
