-- One line for each thing that a driver left on PostgreSQL and should not have. Variable: allowed, connections per database.
with client as (
  select datname, pid, state from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
)
select format('%s connections to %s, allowed %s', count(*), datname, :allowed) from client
  group by datname having count(*) > :allowed
union all select format('%s connections %s', count(*), state) from client where state <> 'idle' group by state
union all select format('%s advisory locks', count(*)) from pg_locks where locktype = 'advisory' having count(*) > 0
union all select format('%s temporary tables', count(*)) from pg_class where relpersistence = 't' having count(*) > 0;
