# Shell functions for a throwaway PostgreSQL, for demo and bench. Source it; it does nothing by itself.
#
# A cluster lives in one folder (data/, socket/, log) and listens on 127.0.0.1 and on its own Unix socket, where the
# superuser "postgres" logs in without a password; over TCP every login is scram-sha-256. Nothing is synced to disk: never
# keep data in it. The caller owns the folder and calls postgres_stop before it removes it.
# shellcheck shell=bash

# The folder of the newest installed server's programs.
postgres_bin() {
  local bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  if [[ ! -x $bin ]]; then
    echo "no PostgreSQL server under /usr/lib/postgresql: run tests/support/install_deps.sh test" >&2
    return 1
  fi
  echo "${bin%/postgres}"
}

# Runs a command as a user that PostgreSQL accepts: it refuses to run as root.
as_postgres_user() {
  if ((EUID != 0)); then
    "$@"
    return
  fi
  local user=nobody
  getent passwd postgres >/dev/null && user=postgres
  (cd / && setpriv --reuid="$user" --regid="$(id -gn "$user")" --init-groups -- "$@")
}

port_is_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port that nobody listens on now, from below the range the kernel gives out by itself. Somebody else may be faster:
# whoever binds it must be ready to ask again.
free_port() {
  local port
  while true; do
    port=$((20000 + RANDOM % 12000))
    if port_is_free "$port"; then
      echo "$port"
      return
    fi
  done
}

# postgres_start FOLDER [SETTING=VALUE...]: sets POSTGRES_PORT and POSTGRES_SOCKET_FOLDER. FOLDER must exist and be empty.
postgres_start() {
  local folder=$1 bin setting settings="" attempt
  shift
  bin=$(postgres_bin) || return
  if ((EUID == 0)); then
    local user=nobody
    getent passwd postgres >/dev/null && user=postgres
    chown "$user" "$folder"
  fi
  as_postgres_user mkdir "$folder/socket"
  as_postgres_user "$bin/initdb" -D "$folder/data" -U postgres --encoding=UTF8 --locale=C --no-sync \
    --auth-local=trust --auth-host=scram-sha-256 >"$folder/initdb.log" 2>&1 || {
    cat "$folder/initdb.log" >&2
    return 1
  }
  for setting in "$@"; do settings+=" -c $setting"; done
  POSTGRES_SOCKET_FOLDER=$folder/socket
  for ((attempt = 0; attempt < 10; ++attempt)); do
    POSTGRES_PORT=$(free_port)
    if as_postgres_user "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 -s start -o "-p $POSTGRES_PORT \
        -k $POSTGRES_SOCKET_FOLDER -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off$settings" \
        >"$folder/pg_ctl.log" 2>&1; then
      return 0
    fi
    grep -q 'Address already in use' "$folder/log" || break
  done
  cat "$folder/pg_ctl.log" "$folder/log" >&2
  return 1
}

# Stops what postgres_start started in FOLDER; fine when nothing runs there.
postgres_stop() {
  local folder=$1 bin
  [[ -f $folder/data/postmaster.pid ]] || return 0
  bin=$(postgres_bin) || return
  as_postgres_user "$bin/pg_ctl" -D "$folder/data" -m immediate -w -s stop >/dev/null 2>&1 || true
}

# postgres_superuser PSQL-ARGUMENT...: psql as the superuser, over the Unix socket.
postgres_superuser() {
  psql -X -q -v ON_ERROR_STOP=1 -h "$POSTGRES_SOCKET_FOLDER" -p "$POSTGRES_PORT" -U postgres "$@"
}
