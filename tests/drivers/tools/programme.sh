#!/usr/bin/env bash
# PostgreSQL's own programs, several at once where that says more. Started by tests/drivers/run; POSTGRES_BIN is their folder.
# shellcheck disable=SC2317  # the functions are called by check
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PATH=$POSTGRES_BIN:$PATH
export PGOPTIONS='' LC_ALL=C.UTF-8
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

sql() { psql -X -q -At -v ON_ERROR_STOP=1 "$@"; }

# check NAME COMMAND...: passes when the command succeeds; what it printed tells why it did not.
check() {
  local name=$1
  shift
  if ("$@") >"$work/output" 2>&1; then
    echo "$name: ok"
  else
    failed=1
    echo "$name: FAILED: $(tail -n 4 "$work/output" | tr '\n' ' ' | cut -c 1-300)"
  fi
}

# at_once COUNT COMMAND...: runs the command COUNT times at the same time, with its number as the last argument.
at_once() {
  local count=$1 pids=() status=0 number
  shift
  for ((number = 1; number <= count; ++number)); do
    "$@" "$number" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || status=1; done
  return "$status"
}

# with_traffic COMMAND...: others use the pool meanwhile, so that a session does not find its last server by luck.
with_traffic() {
  local status=0 traffic
  pgbench -n -S -c 6 -j 2 -T 60 app >/dev/null 2>&1 &
  traffic=$!
  "$@" || status=1
  kill "$traffic"
  wait "$traffic"
  return "$status"
}

psql_session() {
  (cd "$here" && psql -X -q -At -v ON_ERROR_STOP=1 -v number=42 -f session.sql -f session.sql) >"$work/session.$1" 2>&1 || {
    tail -n 3 "$work/session.$1"
    return 1
  }
  diff <(cat "$here/session.expected" "$here/session.expected") "$work/session.$1"
}

# psql without a file sends what it reads; -c with several statements is one implicit transaction.
psql_commands() {
  [[ $(sql -c "create temp table t (a int); insert into t values ($1); select a from t") == "$1" ]] || return
  ! sql -c "create table left_over_$1 (a int); select 1 / 0" 2>/dev/null || return
  [[ $(sql -c "select count(*) from pg_class where relname = 'left_over_$1'") == 0 ]]
}

make_shop() { sql -f "$here/shop.sql"; }

dump() { pg_dump --schema=shop "$@"; }

# Newer pg_dumps put a random key into the text.
without_keys() { sed '/^\\\(un\)\?restrict /d' "$1"; }

dump_and_restore() {
  dump --file="$work/shop.sql" app && dump --format=custom --file="$work/shop.custom" app || return
  dump --format=directory --jobs=2 --file="$work/shop.directory" app || return
  sql -c 'create database from_plain' && sql -d from_plain -f "$work/shop.sql" >/dev/null || return
  sql -c 'create database from_custom' && pg_restore --exit-on-error --dbname=from_custom "$work/shop.custom" || return
  sql -c 'create database from_directory' && pg_restore --exit-on-error --jobs=2 --dbname=from_directory "$work/shop.directory"
}

compare_databases() {
  local database
  for database in from_plain from_custom from_directory; do
    dump --file="$work/$database.sql" "$database" || return
    diff <(without_keys "$work/shop.sql") <(without_keys "$work/$database.sql") || return
    [[ $(sql -d "$database" -c 'select count(*), sum(price) from shop.product') == '500|125250.00' ]] || return
  done
}

bench() { pgbench -n -M "$1" -c 20 -j 20 -t 50 app 2>&1 | tee "$work/bench" && grep -q 'processed: 1000/1000' "$work/bench"; }

# Every transaction changed an account, a teller and a branch by the same amount and said so in the history.
compare_balances() {
  local sums
  sums=$(sql -c "select (select count(*) from pgbench_history), (select sum(abalance) from pgbench_accounts) = sum(delta),
    (select sum(tbalance) from pgbench_tellers) = sum(delta), (select sum(bbalance) from pgbench_branches) = sum(delta)
    from pgbench_history")
  echo "$sums"
  [[ $sums == '2000|t|t|t' ]]
}

migrate() { sql -v me="$1" -f "$here/migrate.sql" >"$work/migrator.$1" 2>&1 || { cat "$work/migrator.$1"; return 1; }; }

three_migrators() {
  at_once 3 migrate || return
  [[ $(cat "$work"/migrator.* | sort) == $'applied 1\napplied 2\napplied 3\napplied 4\napplied 5' ]] || {
    cat "$work"/migrator.*
    return 1
  }
  [[ $(sql -c 'select count(*) from schema_version') == 5 ]]
}

echo "version: $(pg_dump --version | awk '{print $3}')"
check "pgbench -i" pgbench -i -q -s 1 app
check "psql with a file" with_traffic at_once 5 psql_session
check "psql with several statements" with_traffic at_once 5 psql_commands
check "make a small database" make_shop
check "pg_dump and pg_restore" with_traffic dump_and_restore
check "the copies are equal" compare_databases
check "pgbench -M prepared" bench prepared
check "pgbench -M extended" bench extended
check "pgbench's balances" compare_balances
check "three migrators at once" with_traffic three_migrators
exit "$failed"
