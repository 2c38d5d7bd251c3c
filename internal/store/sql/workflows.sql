-- What versions of definitions run. They never change.
SELECT v.id, v.workflow FROM sluice.workflow_definition_versions v WHERE v.id = ANY (:'versions'::uuid[]);
