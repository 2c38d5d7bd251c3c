-- Whether this session holds the lock of the one process that audits, or a role has it that cannot audit: it keeps nobody from auditing.
SELECT EXISTS (
    SELECT FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND l.classid = (:'lock'::bigint >> 32 & 4294967295)::oid AND l.objid = (:'lock'::bigint & 4294967295)::oid AND l.objsubid = 1
      AND (l.pid = pg_backend_pid() OR a.usesysid IS NOT NULL AND NOT has_table_privilege(a.usesysid, 'sluice.running', 'UPDATE')));
