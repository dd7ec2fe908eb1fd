-- A session as people write them for psql: it must see its own temp table, statements, settings and cursors to the end.
\set name 'it''s me'
select :'name' as variable;
create temp table basket (id int, what text);
copy basket from stdin;
1	apple
2	pear
3	plum
\.
begin;
insert into basket values (:number, 'fig');
savepoint before_mistake;
\set ON_ERROR_STOP off
select 1 / 0;
\set ON_ERROR_STOP on
rollback to before_mistake;
select count(*) from basket;
commit;
begin;
delete from basket;
rollback;
prepare by_id (int) as select what from basket where id = $1;
execute by_id (:number);
set work_mem to '5MB';
set search_path to place_4, public;
select name from place;
execute by_id (1);
show work_mem;
begin;
set local work_mem to '6MB';
show work_mem;
commit;
show work_mem;
select max(id) as last, count(*) > 3 as many from basket \gset
\if :many
\echo last :last
\endif
begin;
declare fruits cursor with hold for select what from basket order by what;
commit;
fetch 2 from fruits;
select count(*) from pg_prepared_statements where name = 'by_id';
fetch 2 from fruits;
close fruits;
select format('select %s * 2', id) from basket where id < 3 order by id \gexec
copy (select * from basket order by id) to stdout;
create sequence pg_temp.numbers;
select nextval('pg_temp.numbers');
select currval('pg_temp.numbers');
do $$ begin perform set_config('myapp.user', 'ann', false); end $$;
select current_setting('myapp.user');
deallocate by_id;
reset work_mem;
show work_mem;
drop table basket;
discard all;
show search_path;
