# pgx v4 from Debian, built without modules from Debian's Go sources: its statement cache prepares every query.
# shellcheck shell=bash disable=SC2034,SC2154  # run reads and sets the variables
prepare() {
  is_newer_than "$cache/pgx/programme" "$root"/tests/drivers/pgx/*.go && return
  mkdir -p "$cache/pgx"
  (cd "$root/tests/drivers/pgx" && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$cache/pgx/gocache" GOFLAGS=-p=2 \
    go build -o "$cache/pgx/programme" .)
}
command=(env "PGX_VERSION=$(dpkg-query -W -f '${Version}' golang-github-jackc-pgx-v4-dev)" "$cache/pgx/programme")
