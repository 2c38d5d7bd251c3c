-- What callbacks are signed with, and for which namespace.
SELECT i.namespace, i.callback_key AS key FROM sluice.installation i WHERE i.namespace IS NOT NULL;
