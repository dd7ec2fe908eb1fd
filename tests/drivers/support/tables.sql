-- The tables of the programmes, as new, before each driver. Owner: app.
set client_min_messages = warning;
drop table if exists items, copied, cached;
create table items (writer int, note text);
create table copied (id int, number int, note text);
-- "cached plan": its columns change while SELECT * from it is prepared.
create table cached (id int primary key, note text);
insert into cached select id, 'note ' || id from generate_series(1, 8) id;
-- "settings": the same text finds another table by search_path.
select format('drop schema if exists place_%s cascade; create schema place_%s;
               create table place_%s.place as select %L::text as name', id, id, id, 'place_' || id)
  from generate_series(1, 8) id \gexec
