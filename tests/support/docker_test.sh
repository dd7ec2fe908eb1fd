#!/usr/bin/env bash
# Builds the image of docker/, starts docker/docker-compose.yml for real and runs traffic through it.
#
# usage: docker_test.sh
# Needs no registry: where the engine lacks debian:bookworm-slim, a base is made with debootstrap and imported under that
# name; where it lacks postgres:15, a stand-in is built on that base. What it made it removes again, unless
# PGWEIR_DOCKER_KEEP=1 keeps the images, so that the next run is quick. Exit 77: skipped, no Docker engine.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

if ! command -v docker >/dev/null || ! timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
  echo "skipped: no Docker engine"
  exit 77
fi

project=pgweir-test-$$
export WEIR_IMAGE=pgweir-test:$$
folder=$(mktemp -d "${TMPDIR:-/tmp}/pgweir-docker.XXXXXX")
made_images=()
made_base=
compose=()
is_up=false

say() { printf '\n-- %s (%d s)\n' "$*" "$SECONDS"; }
fail() {
  printf 'docker_test: %s\n' "$*" >&2
  exit 1
}

# remove_descendants IMAGE-ID: the unnamed images that a build which failed left behind, on a base that is gone anyway.
remove_descendants() {
  local id parent
  for id in $(docker image ls -q --no-trunc --filter dangling=true); do
    parent=$id
    while [[ -n $parent && $parent != "$1" ]]; do
      parent=$(docker image inspect -f '{{.Parent}}' "$parent" 2>/dev/null || true)
    done
    [[ -z $parent ]] || docker image rm "$id" >/dev/null 2>&1 || true
  done
}

clean_up() {
  local status=$? image i
  trap - EXIT
  trap '' INT TERM HUP
  if $is_up; then
    ((status == 0)) || timeout 60 "${compose[@]}" logs --tail=50 >&2 || true
    timeout 180 "${compose[@]}" down -v --remove-orphans -t 5 >"$folder/down.log" 2>&1 || cat "$folder/down.log" >&2
  fi
  if [[ ${PGWEIR_DOCKER_KEEP:-} == 1 ]]; then
    made_images=("$WEIR_IMAGE")
  fi
  for ((i = ${#made_images[@]} - 1; i >= 0; --i)); do
    image=${made_images[i]}
    timeout 120 docker image rm "$image" >/dev/null 2>&1 || true
  done
  [[ -z $made_base || ${PGWEIR_DOCKER_KEEP:-} == 1 ]] || remove_descendants "$made_base"
  rm -rf "$folder"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
trap 'echo "docker_test: line $LINENO: failed: $BASH_COMMAND" >&2' ERR

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

# quietly LOG SECONDS COMMAND...: shows what the command said only when it fails.
quietly() {
  local log=$folder/$1 seconds=$2
  shift 2
  if ! timeout -k 10 "$seconds" "$@" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    fail "failed or took over $seconds s: $*"
  fi
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    ((SECONDS < deadline)) || fail "$what took too long"
    sleep 0.5
  done
}

"$here/install_deps.sh" test
docker compose version >/dev/null 2>&1 || "$here/install_deps.sh" docker
if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
compose+=(-p "$project" -f "$root/docker/docker-compose.yml")
pgbench=$(printf '%s\n' /usr/lib/postgresql/*/bin/pgbench | sort -V | tail -n 1)

# Imports a minimal Debian from the host's mirror. The host's settings for fetching (proxies, dates) go in, so that apt
# works in a build as it does on the host.
make_base() {
  local mirror
  ((EUID == 0)) || fail "debian:bookworm-slim is not there, and only root can make a stand-in with debootstrap"
  "$here/install_deps.sh" docker
  mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' /etc/apt/sources.list \
    /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -n 1) || true
  quietly debootstrap.log 600 debootstrap --variant=minbase bookworm "$folder/base" "${mirror:-http://deb.debian.org/debian}"
  { grep -hE '^ *Acquire::' /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null || true; } \
    >"$folder/base/etc/apt/apt.conf.d/99host"
  # What the real slim image sets, too: no syncing of each unpacked file, no translations.
  echo force-unsafe-io >"$folder/base/etc/dpkg/dpkg.cfg.d/unsafe-io"
  echo 'Acquire::Languages "none";' >"$folder/base/etc/apt/apt.conf.d/no-languages"
  rm -rf "$folder/base/var/lib/apt/lists"/* "$folder/base/var/cache/apt"/*.bin "$folder/base/var/cache/apt/archives"/*.deb
  tar -C "$folder/base" -c . | timeout 120 docker import - debian:bookworm-slim >/dev/null
  made_images+=(debian:bookworm-slim)
  made_base=$(docker image inspect -f '{{.Id}}' debian:bookworm-slim)
  rm -rf "$folder/base"
}

say "the images that the files build on"
if has_image debian:bookworm-slim; then echo "debian:bookworm-slim is there"; else make_base; fi
if has_image postgres:15; then
  echo "postgres:15 is there"
else
  quietly postgres_image.log 600 docker build --force-rm -t postgres:15 -f "$here/docker/postgres.Dockerfile" "$here/docker"
  made_images+=(postgres:15)
fi

say "building pgweir's image"
# The build stage gets a name only so that it can be removed again; the second command finds it in the cache.
if ! has_image pgweir-test-build:latest || [[ ${PGWEIR_DOCKER_KEEP:-} != 1 ]]; then
  made_images+=(pgweir-test-build:latest)
fi
quietly build_stage.log 1200 docker build --force-rm -f "$root/docker/Dockerfile" --target build -t pgweir-test-build:latest "$root"
made_images+=("$WEIR_IMAGE")
quietly image.log 1200 "${compose[@]}" build pgweir

say "starting PostgreSQL and pgweir"
export WEIR_SECRETS=$folder/secrets WEIR_PORT=0 WEIR_HTTP_PORT=0  # 0: the engine takes free ports
mkdir "$WEIR_SECRETS"
app_password=app-$(openssl rand -hex 12)
admin_password=admin-$(openssl rand -hex 12)
echo "$app_password" >"$WEIR_SECRETS/postgres_password"
echo "postgres://app:$app_password@postgres:5432/app" >"$WEIR_SECRETS/database_url"
echo "$admin_password" >"$WEIR_SECRETS/pgweir_admin_password"
chmod 755 "$folder" "$WEIR_SECRETS"  # the services read them as users of their own
chmod 644 "$WEIR_SECRETS"/*
is_up=true
quietly up.log 300 "${compose[@]}" up -d
container=$("${compose[@]}" ps -q pgweir)
is_healthy() { [[ $(docker inspect -f '{{.State.Health.Status}}' "$container") == healthy ]]; }
wait_for 120 "the image's health check" is_healthy
address=$("${compose[@]}" port pgweir 6432)
http_address=$("${compose[@]}" port pgweir 9127)

say "traffic through $address"
app="postgres://app:$app_password@$address/app"
export PGCONNECT_TIMEOUT=10
answer=$(timeout 60 psql -XAt "$app" -c "select current_user || ' ' || (6 * 7)")
[[ $answer == "app 42" ]] || fail "an application's query was answered with '$answer'"
quietly pgbench_init.log 120 "$pgbench" -i -q -s 1 "$app"
quietly pgbench.log 120 "$pgbench" -n -c 10 -j 2 -t 100 "$app"
grep -q 'actually processed: 1000/1000' "$folder/pgbench.log" || fail "pgbench: $(cat "$folder/pgbench.log")"
if timeout 60 psql -XAt "postgres://app:wrong@$address/app" -c 'select 1' >/dev/null 2>&1; then
  fail "a wrong password was let in"
fi
answer=$(PAGER='' timeout 60 psql -XAt "postgres://admin:$admin_password@$address/pgweir" -c 'show pools')
grep -q '^app|app|' <<<"$answer" || fail "the console shows no pool of app: '$answer'"

say "health, rights and secrets"
docker exec "$container" pgweir health || fail "pgweir health failed in the container"
timeout 30 curl -fsS "http://$http_address/livez" >/dev/null || fail "no /livez on $http_address"
user=$(docker exec "$container" id -u)
[[ $user == 10001 ]] || fail "pgweir runs as user $user in the container"
{ docker inspect "$container"; docker logs "$container"; } >"$folder/visible.log" 2>&1
if grep -qF -e "$app_password" -e "$admin_password" "$folder/visible.log"; then
  fail "a password is in the container's environment or log"
fi

say "stopping"
quietly stop.log 100 docker stop -t 70 "$container"
status=$(docker inspect -f '{{.State.ExitCode}}' "$container")
[[ $status == 0 ]] || fail "pgweir ended with status $status on TERM"
say "passed"
