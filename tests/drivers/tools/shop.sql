-- A small database with one of each thing that pg_dump knows well.
set client_min_messages = warning;
create schema shop;
create type shop.state as enum ('new', 'paid', 'sent');
create domain shop.amount as numeric(10, 2) check (value >= 0);
create table shop.product (id serial primary key, name text not null unique, price shop.amount not null, tags text[] default '{}');
create table shop.purchase (id bigint generated always as identity primary key, product int references shop.product, state shop.state default 'new');
create index on shop.purchase (product) where state <> 'sent';
create view shop.open_purchase as select p.*, name from shop.purchase p join shop.product on product.id = product where state <> 'sent';
create function shop.price_of(wanted int) returns shop.amount language sql stable as 'select price from shop.product where id = wanted';
create function shop.touch() returns trigger language plpgsql as $$ begin new.tags := new.tags || 'touched'::text; return new; end $$;
create trigger touch before update on shop.product for each row execute function shop.touch();
comment on table shop.product is 'what we sell: "quotes", \backslashes and €';
insert into shop.product (name, price, tags) select 'product ' || n, n, array['tag', E'tab\t', null] from generate_series(1, 500) n;
insert into shop.purchase (product, state) select n % 500 + 1, (array['new', 'paid', 'sent'])[n % 3 + 1]::shop.state from generate_series(1, 2000) n;
