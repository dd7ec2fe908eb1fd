-- One of several migrators that were started together: whoever holds the lock applies what is missing, as migration tools do.
-- The lock belongs to the session: it is taken, kept over several transactions, and given back.
set client_min_messages = warning;
select pg_advisory_lock(42) \g /dev/null
create table if not exists schema_version (version int primary key, applied_by text not null);
select not exists (select from schema_version where version = 1) as missing \gset
\if :missing
begin;
create table migrated_1 as select n from generate_series(1, 1000) n;
insert into schema_version values (1, :'me');
commit;
\echo applied 1
\endif
select not exists (select from schema_version where version = 2) as missing \gset
\if :missing
begin;
create table migrated_2 as select n from generate_series(1, 1000) n;
insert into schema_version values (2, :'me');
commit;
\echo applied 2
\endif
select not exists (select from schema_version where version = 3) as missing \gset
\if :missing
begin;
create table migrated_3 as select n from generate_series(1, 1000) n;
insert into schema_version values (3, :'me');
commit;
\echo applied 3
\endif
select not exists (select from schema_version where version = 4) as missing \gset
\if :missing
begin;
create table migrated_4 as select n from generate_series(1, 1000) n;
insert into schema_version values (4, :'me');
commit;
\echo applied 4
\endif
select not exists (select from schema_version where version = 5) as missing \gset
\if :missing
begin;
create table migrated_5 as select n from generate_series(1, 1000) n;
insert into schema_version values (5, :'me');
commit;
\echo applied 5
\endif
select pg_advisory_unlock(42) as unlocked \gset
\if :unlocked
\else
select 'the lock was not held at the end'::int;
\endif
