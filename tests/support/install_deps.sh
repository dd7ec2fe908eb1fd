#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs, or says exactly which are missing.
#
# usage: install_deps.sh PURPOSE...          purposes: build gtest test sanitize beside bench docker drivers
#        install_deps.sh --list PURPOSE...   prints the packages, one a line
# Cheap and offline when nothing is missing: one dpkg-query. Needs root or passwordless sudo otherwise; without either it
# prints the command line to run and fails. The lists below are the only ones: Makefile, .ci/run and docker/Dockerfile use them.
set -euo pipefail

packages_for() {
  case $1 in
    build) echo g++ cmake ninja-build pkg-config libevent-dev libssl-dev libpq-dev libtomlplusplus-dev prometheus-cpp-dev \
      libspdlog-dev libfmt-dev libcli11-dev libexpected-dev libsystemd-dev libidn-dev libldap-dev libpam0g-dev liburing-dev zlib1g-dev ;;
    gtest) echo libgtest-dev libgmock-dev librapidcheck-dev libpg-query-dev nlohmann-json3-dev ;;
    test) echo postgresql-15 slapd curl openssl python3 python3-psycopg2 valgrind strace ;;
    sanitize) echo clang libclang-rt-14-dev llvm ;;
    beside) echo pgbouncer prometheus-pgbouncer-exporter ;;
    bench) echo pgbouncer openssl valgrind strace libbenchmark-dev ;;
    docker) echo debootstrap docker-compose ;;
    drivers)
      echo gcc libpq-dev python3 python3-venv python3-psycopg2 libpostgresql-jdbc-java golang-go golang-github-jackc-pgx-v4-dev
      # Compilers that came from elsewhere do as well, and Debian's would stand beside them.
      command -v javac >/dev/null || echo default-jdk-headless
      command -v node >/dev/null || echo nodejs
      command -v cargo >/dev/null || echo cargo-web rustc-web
      ;;
    *)
      echo "install_deps.sh: unknown purpose '$1'; known: build gtest test sanitize beside bench docker drivers" >&2
      return 2
      ;;
  esac
}

list_only=false
if [[ ${1:-} == --list ]]; then
  list_only=true
  shift
fi
if (($# == 0)); then
  echo "usage: install_deps.sh [--list] PURPOSE..." >&2
  exit 2
fi

wanted=()
for purpose in "$@"; do
  names=$(packages_for "$purpose")
  read -r -d '' -a names <<<"$names" || true
  wanted+=("${names[@]}")
done
if $list_only; then
  printf '%s\n' "${wanted[@]}"
  exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  # The names differ elsewhere, so nothing can be checked: say what is needed and let the build find out.
  echo "not a Debian system: please have the counterparts of these Debian 12 packages installed: ${wanted[*]}" >&2
  exit 0
fi

installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null | sed -n 's/^installed //p' || true)
missing=()
for name in "${wanted[@]}"; do
  grep -qxF -- "$name" <<<"$installed" || missing+=("$name")
done
((${#missing[@]})) || exit 0

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
    echo "missing Debian packages, and neither root nor passwordless sudo is available. Please run:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi

# Installing a PostgreSQL server normally creates and starts a cluster on port 5432. Only its programs are wanted here, so
# that is switched off for the time of this installation, unless PostgreSQL is at home on this machine already.
no_cluster=/etc/postgresql-common/createcluster.d/pgweir-install.conf
if [[ " ${missing[*]} " == *" postgresql-"* && ! -d /etc/postgresql ]]; then
  trap '"${as_root[@]}" rm -f "$no_cluster"' EXIT
  "${as_root[@]}" mkdir -p "${no_cluster%/*}"
  echo "create_main_cluster = false" | "${as_root[@]}" tee "$no_cluster" >/dev/null
fi

# The same for an LDAP server.
if [[ " ${missing[*]} " == *" slapd "* ]]; then
  echo "slapd slapd/no_configuration boolean true" | "${as_root[@]}" debconf-set-selections
fi

echo "installing Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get -qq update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install -y \
  --no-install-recommends "${missing[@]}" >/dev/null
