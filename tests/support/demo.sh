#!/usr/bin/env bash
# The demonstration: a throwaway PostgreSQL, pgweir in front of it, a short pgbench through it, then it stays until Ctrl-C.
#
# usage: make demo                       (installs and builds first)
# PGWEIR_DEMO_PORT     port of pgweir, 6432; a taken one is replaced by a free one; 0 = a free one
# PGWEIR_DEMO_SECONDS  length of each pgbench, 5
# PGWEIR_BINARY        the program to show, build/pgweir
# DEMO_ONCE=1          leave after the last line instead of waiting (for tests)
# Everything lives in one temporary folder and is gone afterwards.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/support/postgres.sh
source "$here/postgres.sh"
binary=${PGWEIR_BINARY:-$here/../../build/pgweir}
wanted_port=${PGWEIR_DEMO_PORT:-6432}
seconds=${PGWEIR_DEMO_SECONDS:-5}
# pgweir takes settings from its environment and refuses names it does not know: the demo's own, and whatever the shell of
# the person holds, are not for it.
for name in "${!PGWEIR_@}" DATABASE_URL DATABASE_URL_FILE; do unset "$name"; done
pgbench=$(postgres_bin)/pgbench
if [[ ! -x $binary ]]; then
  echo "demo: there is no program $binary: run 'make build' first" >&2
  exit 1
fi

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/pgweir-demo.XXXXXX")
chmod 755 "$folder"
pgweir_pid=
log_pid=

# QUIT is pgweir's "now"; one that does not listen even to that is killed.
end_process() {
  kill -QUIT "$1" 2>/dev/null || return 0
  (sleep 5 && kill -KILL "$1" 2>/dev/null) &
  local killer=$!
  wait "$1" 2>/dev/null || true
  kill "$killer" 2>/dev/null || true
}

clean_up() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP  # a second, impatient Ctrl-C must not leave half of it behind
  [[ -z $log_pid ]] || kill "$log_pid" 2>/dev/null || true
  [[ -z $pgweir_pid ]] || end_process "$pgweir_pid"
  postgres_stop "$folder/postgres"
  rm -rf "$folder"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 0' INT TERM HUP

say "starting a throwaway PostgreSQL"
mkdir "$folder/postgres"
postgres_start "$folder/postgres" password_encryption=scram-sha-256
postgres_superuser -d postgres -c "create role demo login password 'demo'" -c "create database demo owner demo"
echo "PostgreSQL $("$(postgres_bin)/postgres" --version | awk '{print $3}') listens on 127.0.0.1:$POSTGRES_PORT"

say "starting pgweir"
port=$wanted_port
if ((port == 0)); then
  port=$(free_port)
elif ! port_is_free "$port"; then
  port=$(free_port)
  echo "port $wanted_port is taken by another program on this machine; using $port instead (PGWEIR_DEMO_PORT=N chooses)"
fi
http_port=$(free_port)
cat >"$folder/userlist.txt" <<END
"demo" "demo"
"admin" "admin"
END
chmod 600 "$folder/userlist.txt"
cat >"$folder/pgweir.toml" <<END
[pgweir]
listen_addr = "127.0.0.1"
listen_port = $port
unix_socket_dir = "$folder"
http_listen_port = $http_port
auth_type = "scram-sha-256"
auth_file = "userlist.txt"
admin_users = ["admin"]
pool_mode = "transaction"
default_pool_size = 5

[databases.demo]
host = "127.0.0.1"
port = $POSTGRES_PORT
dbname = "demo"
END
"$binary" check "$folder/pgweir.toml"
"$binary" "$folder/pgweir.toml" >"$folder/pgweir.log" 2>&1 &
pgweir_pid=$!

app="postgres://demo:demo@127.0.0.1:$port/demo"
console="postgres://admin:admin@127.0.0.1:$port/pgweir"
deadline=$((SECONDS + 20))
until PGCONNECT_TIMEOUT=5 psql -X "$app" -c 'select 1' >"$folder/first_query.log" 2>&1; do
  if ! kill -0 "$pgweir_pid" 2>/dev/null || ((SECONDS >= deadline)); then
    echo "demo: pgweir did not serve a first query:" >&2
    cat "$folder/first_query.log" "$folder/pgweir.log" >&2
    exit 1
  fi
  sleep 0.1
done
echo "pgweir listens on 127.0.0.1:$port: 5 connections to PostgreSQL, in transaction mode"

run_pgbench() {
  if ! PGPASSWORD=demo "$pgbench" -h 127.0.0.1 -p "$port" -U demo "$@" demo 2>&1; then
    echo "demo: pgbench failed; pgweir said:" >&2
    tail -n 20 "$folder/pgweir.log" >&2
    return 1
  fi
}
say "pgbench: filling its tables, through pgweir"
run_pgbench -i -q -s 5
say "pgbench: 20 clients reading, $seconds s"
run_pgbench -n -S -c 20 -j 2 -T "$seconds" -P 1
say "pgbench: 20 clients reading and writing (TPC-B), $seconds s"
run_pgbench -n -c 20 -j 2 -T "$seconds" -P 1
say "the pools, as the console shows them"
PAGER='' psql -X "$console" -c 'show pools'

say "try it yourself"
cat <<END
as an application:  psql "$app"
the console:        psql "$console" -c 'show pools'
metrics:            curl http://127.0.0.1:$http_port/metrics
END
[[ ${DEMO_ONCE:-} != 1 ]] || exit 0

echo
echo "pgweir's log follows; Ctrl-C ends the demo and removes everything."
tail -n 5 -f "$folder/pgweir.log" &
log_pid=$!
wait "$pgweir_pid" && status=0 || status=$?
echo "demo: pgweir ended by itself with status $status" >&2
exit 1
